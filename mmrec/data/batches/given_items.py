"""The items of each user of a training batch that a model for few items is given; the others are to be predicted."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch


class GivenItems(NamedTuple):
    """Which positives of a batch are given."""

    row: Int64[Tensor, " n"]
    """The row of the user of each positive."""
    place: Int64[Tensor, " n"]
    """The place of each positive in a random order of its user's positives."""
    counts: Int64[Tensor, " users"]
    """How many of each user are given: those in the first places."""

    @property
    def is_given(self) -> Bool[Tensor, " n"]:
        """Whether each positive is given."""
        return self.place < self.counts[self.row]

    @property
    def is_query(self) -> Bool[Tensor, " n"]:
        """Whether each positive is to be predicted; none of users of whom nothing is given."""
        return ~self.is_given & (self.counts > 0)[self.row]


def draw_given(batch: TrainBatch, max_given: int) -> GivenItems:
    """Draw from 1 to `max_given` items of each user, but never all.

    They are a function of `batch.noise`, so that any number of processes draws the same.
    """
    degree = torch.bincount(batch.row, minlength=len(batch.user_idx))
    low = (batch.noise * 4096) % 1  # the low bits of the noise, whose high bits give the order
    share = low.new_zeros(len(degree)).index_add(0, batch.row, low) % 1
    counts = torch.minimum(1 + (share * max_given).long(), (degree - 1).clamp(min=0))
    order = torch.argsort(batch.noise, stable=True)
    order = order[torch.argsort(batch.row[order], stable=True)]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device) - (degree.cumsum(0) - degree)[batch.row[order]]
    return GivenItems(batch.row, place, counts)
