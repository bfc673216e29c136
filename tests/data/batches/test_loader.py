"""Batches from any step on, whoever builds them."""

import os
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
import torch.distributed as dist

from mmrec.data.batches.loader import BatchLoader
from mmrec.data.batches.train_batches import TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix


@pytest.fixture
def batches() -> TrainBatches:
    """Seven batches of the fourth epoch, the last one smaller."""
    drawn = torch.Generator().manual_seed(0)
    user_idx, item_idx = torch.randint(40, (200,), generator=drawn), torch.randint(30, (200,), generator=drawn)
    positives = InteractionMatrix.from_pairs(user_idx, item_idx, n_users=40, n_items=30)
    return TrainBatches(positives, 6, 5, shared=True, seed=3, epoch=lambda: 3)


def same(one: TrainBatch, other: TrainBatch) -> bool:
    return all(torch.equal(a, b) if a is not None and b is not None else a is b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("n_workers", [0, 1, 2])
@pytest.mark.parametrize("start", [0, 1, 5, 6, 7])
def test_from_any_step_the_rest_of_the_epoch(start: int, n_workers: int, batches: TrainBatches) -> None:
    loader = BatchLoader(batches, start=lambda: start, n_workers=n_workers)
    state = torch.get_rng_state()
    found, expected = list(loader), list(batches)[start:]
    assert len(loader) == len(batches) == 7 and len(found) == len(expected) and all(map(same, found, expected))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def alone_in_a_group(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process group of this process, which therefore must not fork."""

    def fork() -> int:
        raise AssertionError("forked")

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr(os, "fork", fork)
    yield
    dist.destroy_process_group()


def epochs_in_turn(batches: TrainBatches) -> None:
    """Three epochs of one loader; the second is left half-way and begun again at another step."""
    epoch, start = 3, 0
    loader = BatchLoader(batches, start=lambda: start, n_workers=2)
    batches.epoch = lambda: epoch
    for number, step, n in [(3, 0, 7), (4, 0, 3), (4, 2, 5), (5, 0, 7)]:
        epoch, start = number, step
        found, expected = list(islice(loader, n)), list(batches)[start : start + n]
        assert len(found) == n and all(map(same, found, expected)), f"epoch {epoch} from step {start}"
    loader.close()


def test_the_same_workers_build_epoch_after_epoch(batches: TrainBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    pids, fork = [], os.fork

    def counted() -> int:
        pids.append(fork())
        return pids[-1]

    monkeypatch.setattr(os, "fork", counted)
    epochs_in_turn(batches)
    assert len(pids) == 2


def test_beside_a_process_group_nothing_is_forked(batches: TrainBatches, alone_in_a_group: None) -> None:
    epochs_in_turn(batches)


def test_a_negative_number_of_workers_is_refused(batches: TrainBatches) -> None:
    with pytest.raises(ValueError, match=r"^n_workers: expected at least 0, found -1"):
        BatchLoader(batches, start=lambda: 0, n_workers=-1)
