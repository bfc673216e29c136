"""Batches of search queries: the items clicked after them against a common pool of negatives, hard ones among them."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch, TrainBatches


class SearchBatches:
    """The batches of one epoch at a time: every training query once, with all of its clicked items.

    The negatives of a batch are the items clicked after its other queries (in-batch negatives), the hard negatives of its queries, and the
    random ones of `TrainBatches`, which draws the queries. An item that was clicked after a query in training is no negative of it.

    Args:
        batches: with shared negatives.
        hard: the hard negatives of every query, a row each.
    """

    def __init__(self, batches: TrainBatches, hard: Int64[Tensor, "n_queries n_hard"]) -> None:
        self._batches, self._hard = batches, hard
        self.epoch: Callable[[], int] = batches.epoch

    def __len__(self) -> int:
        """The number of steps per epoch."""
        return len(self._batches)

    def batches(self, steps: range) -> Iterator[TrainBatch]:
        """Yield the batches of these steps of the current epoch."""
        self._batches.epoch = self.epoch
        positives = self._batches.positives
        for batch in self._batches.batches(steps):
            pool = torch.cat([batch.negatives.flatten(), batch.item_idx, self._hard[batch.user_idx].flatten()]).unique()
            row, item = positives.rows(batch.user_idx)
            valid = torch.ones((len(batch.user_idx), len(pool)), dtype=torch.bool)
            place = torch.searchsorted(pool, item)  # all positives are in the pool
            valid[row, place] = False
            distinct = pool if 2 * len(pool) < positives.n_items else None
            yield batch._replace(negatives=pool, valid=valid, distinct=distinct)
