"""Inner products of batches of both kinds, the norm that regularises."""

import pytest
import torch

from mmrec.data.batches.train_batches import PairBatches, TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.scores import BatchVectors

POSITIVES = InteractionMatrix.from_pairs(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 3]), 3, 5)
USERS, ITEMS = (torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (3, 5))


@pytest.mark.parametrize(
    "batches",
    [
        PairBatches(POSITIVES, batch_size=3, n_negatives=2, seed=0),
        TrainBatches(POSITIVES, batch_size=2, n_negatives=2, shared=True, seed=0),
        TrainBatches(POSITIVES, batch_size=2, n_negatives=2, shared=False, seed=0),
    ],
    ids=["pairs", "shared", "own"],
)
def test_scores_are_inner_products(batches: PairBatches | TrainBatches) -> None:
    for batch in batches:
        positive, negative = BatchVectors.look_up(USERS, ITEMS, batch).scores(batch.row)
        dense = USERS[batch.user_idx] @ ITEMS.T
        torch.testing.assert_close(positive, dense[batch.row, batch.item_idx])
        own = batch.negatives.expand(len(batch.user_idx), -1)
        torch.testing.assert_close(negative, dense.gather(1, own))


def test_scores_are_float32_whatever_the_products_are_computed_in() -> None:
    (batch,) = PairBatches(POSITIVES, batch_size=9, n_negatives=2, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        positive, negative = BatchVectors.look_up(USERS, ITEMS, batch).scores(batch.row)
    assert positive.dtype == negative.dtype == torch.float32


def test_the_norm_is_that_of_a_positive() -> None:
    vectors = BatchVectors(torch.ones(2, 1), 2 * torch.ones(2, 1), torch.tensor([[[3.0]], [[1.0]]]))
    assert vectors.squared_norm().item() == 0.5 * (2 + 8 + 10) / 2
    assert BatchVectors(*(torch.empty(0, 1),) * 3).squared_norm().item() == 0


def test_an_empty_part_of_a_batch_has_no_scores() -> None:
    none = torch.empty(0, dtype=torch.int64)
    batch = TrainBatch(none, none, none, none.view(0, 1), none.view(0, 1) > 0, none.float(), torch.tensor(0.0))
    positive, negative = BatchVectors.look_up(USERS, ITEMS, batch).scores(batch.row)
    assert positive.shape == (0,) and negative.shape == (0, 1)
