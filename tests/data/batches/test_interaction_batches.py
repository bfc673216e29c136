"""Row-wise batches: every row once an epoch with all that is known of it, and processes that share each batch."""

import pytest
import torch

from mmrec.data.batches.batch_factory import Place
from mmrec.data.batches.interaction_batches import HeldOutRows, InteractionBatches
from mmrec.types import Interactions

N = 23
ROWS = Interactions(torch.arange(N) % 5, torch.arange(N) % 7, rating=torch.arange(N).float(), position=torch.arange(N))


def test_every_row_comes_once_an_epoch_in_another_order() -> None:
    epochs = [list(InteractionBatches(ROWS, 10, seed=1, place=Place(lambda: epoch))) for epoch in range(2)]  # noqa: B023
    seen = [torch.cat([batch.position for batch in batches]) for batches in epochs]
    assert [len(batch.user_idx) for batch in epochs[0]] == [10, 10, 3]
    assert all(sorted(order.tolist()) == list(range(N)) for order in seen)
    assert seen[0].tolist() != seen[1].tolist()
    for batch in epochs[0]:
        assert batch.user_idx.tolist() == (batch.position % 5).tolist()
        assert batch.rating.tolist() == batch.position.tolist()
        assert batch.label is None


def test_a_step_needs_no_other() -> None:
    batches = InteractionBatches(ROWS, 4, seed=1, place=Place())
    (third,) = batches.batches(range(2, 3))
    assert third.position.tolist() == list(batches)[2].position.tolist()


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_weighted_mean_over_processes_is_that_of_one(world_size: int) -> None:
    def means(rank: int, size: int) -> list[torch.Tensor]:
        return [batch.rating.mean() * batch.weight for batch in InteractionBatches(ROWS, 6, 1, Place(rank=rank, world_size=size))]

    parts = torch.stack([torch.stack(means(rank, world_size)) for rank in range(world_size)])
    torch.testing.assert_close(parts.mean(dim=0), torch.stack(means(0, 1)))


def test_as_positives_each_row_is_its_own_user() -> None:
    batch = next(iter(InteractionBatches(ROWS, 4, seed=1, place=Place()))).as_positives()
    assert batch.row.tolist() == [0, 1, 2, 3]
    assert batch.negatives.shape == batch.valid.shape == (4, 0)


def test_held_out_rows_of_a_user_stay_together() -> None:
    held_out = HeldOutRows.build(ROWS, ROWS.rating > 2)
    assert held_out.user_idx.tolist() == [0, 1, 2, 3, 4]
    assert sorted(held_out.rows.position.tolist()) == list(range(3, N))
    parts = [held_out.part(rank, 2) for rank in range(2)]
    assert [part.user_idx.tolist() for part in parts] == [[0, 1], [2, 3, 4]]
    assert torch.cat([part.rows.position for part in parts]).tolist() == held_out.rows.position.tolist()
