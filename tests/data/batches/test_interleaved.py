"""mmrec.data.batches.interleaved: each step has a batch of every task, as a function of the step alone."""

from collections.abc import Iterator
from functools import partial

import pytest

from mmrec.data.batches.interleaved import InterleavedBatches, TasksRows
from mmrec.data.batches.loader import BatchLoader


class Numbered:
    """Batches that say their epoch and step."""

    def __init__(self, n: int) -> None:
        self.n, self.epoch = n, partial(int, 0)

    def __len__(self) -> int:
        return self.n

    def batches(self, steps: range) -> Iterator[tuple[int, int]]:
        for step in steps:
            assert 0 <= step < self.n
            yield self.epoch(), step


def made(*sizes: int) -> InterleavedBatches:
    return InterleavedBatches({f"t{place}": Numbered(size) for place, size in enumerate(sizes)})


def read(batches: InterleavedBatches, epoch: int, steps: range | None = None) -> list[dict[str, tuple[int, int]]]:
    batches.epoch = partial(int, epoch)
    return [batch.parts for batch in batches.batches(range(len(batches)) if steps is None else steps)]


def test_an_epoch_is_that_of_the_task_with_most_batches() -> None:
    found = read(made(5, 2), epoch=0)
    assert [one["t0"] for one in found] == [(0, step) for step in range(5)]
    assert [one["t1"] for one in found] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


def test_the_shorter_task_goes_on_where_it_stopped() -> None:
    found = read(made(5, 2), epoch=1)
    assert [one["t0"] for one in found] == [(1, step) for step in range(5)]
    assert [one["t1"] for one in found] == [(2, 1), (3, 0), (3, 1), (4, 0), (4, 1)]


@pytest.mark.parametrize("start", range(6))
def test_any_step_may_be_the_first(start: int) -> None:
    batches = made(5, 2, 3)
    assert read(batches, 3, range(start, 5)) == read(batches, 3)[start:]


@pytest.mark.parametrize("stride", [2, 3])
def test_worker_processes_build_every_nth(stride: int) -> None:
    batches = made(7, 3)
    for first in range(stride):
        assert read(batches, 2, range(first, 7, stride)) == read(batches, 2)[first::stride]


def test_workers_give_the_same_batches() -> None:
    own, others = (BatchLoader(made(5, 2), start=lambda: 1, n_workers=n) for n in (0, 2))
    try:
        assert [batch.parts for batch in others] == [batch.parts for batch in own]
    finally:
        others.close()


def test_a_task_without_batches_leaves_no_steps() -> None:
    assert len(made(3, 0)) == 0


def test_rows_of_all_tasks_are_divided() -> None:
    class Rows(list[int]):
        def part(self, rank: int, world_size: int) -> "Rows":
            return Rows(self[rank::world_size])

    assert TasksRows({"a": Rows([1, 2, 3]), "b": Rows([4])}).part(1, 2).parts == {"a": [2], "b": []}
