"""Batches from any step on, whoever builds them."""

import pytest
import torch

from mmrec.data.csr import InteractionMatrix
from mmrec.data.loader import BatchLoader
from mmrec.data.sample import TrainBatch, TrainBatches


@pytest.fixture(scope="module")
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


def test_a_negative_number_of_workers_is_refused(batches: TrainBatches) -> None:
    with pytest.raises(ValueError, match=r"^n_workers: expected at least 0, came -1"):
        BatchLoader(batches, start=lambda: 0, n_workers=-1)
