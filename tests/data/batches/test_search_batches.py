"""mmrec.data.batches.search_batches: what the pool has, which negatives count, and the same batches again."""

import torch

from mmrec.data.batches.search_batches import SearchBatches
from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix

N_QUERIES, N_ITEMS = 6, 50
POSITIVES = InteractionMatrix.from_pairs(torch.arange(12) % N_QUERIES, torch.arange(12) * 3, N_QUERIES, N_ITEMS)
HARD = torch.arange(N_QUERIES)[:, None] + torch.tensor([[37, 43]])


def made(n_negatives: int = 2) -> SearchBatches:
    return SearchBatches(TrainBatches(POSITIVES, 3, n_negatives, True, seed=1), HARD)


def test_the_pool_has_clicked_items_hard_and_random_negatives() -> None:
    assert len(made()) == 2
    for batch in made().batches(range(2)):
        pool = set(batch.negatives.tolist())
        assert set(batch.item_idx.tolist()) <= pool
        assert set(HARD[batch.user_idx].flatten().tolist()) <= pool
        assert len(pool) == len(batch.negatives)
        assert batch.distinct is not None and torch.equal(batch.distinct, batch.negatives)


def test_what_was_clicked_after_a_query_is_no_negative_of_it() -> None:
    for batch in made().batches(range(2)):
        for row, query in enumerate(batch.user_idx.tolist()):
            own = set(POSITIVES.rows(torch.tensor([query]))[1].tolist())
            counted = set(batch.negatives[batch.valid[row]].tolist())
            assert counted == set(batch.negatives.tolist()) - own


def test_the_same_epoch_gives_the_same_batches_and_another_does_not() -> None:
    first, second, other = made(), made(), made()
    other.epoch = lambda: 1
    one, same, else_ = (next(batches.batches(range(1))) for batches in (first, second, other))
    assert torch.equal(one.user_idx, same.user_idx) and torch.equal(one.negatives, same.negatives)
    assert not torch.equal(one.user_idx, else_.user_idx)
