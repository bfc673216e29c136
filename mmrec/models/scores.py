"""Scores, losses and penalties of models whose scores are inner products of user and item vectors."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import TrainScores
from mmrec.nn.look_up import look_up


class BatchVectors(NamedTuple):
    """The vectors of the users, positives and negatives in a training batch."""

    users: Float[Tensor, "rows dim"]
    positives: Float[Tensor, "n dim"]
    negatives: Float[Tensor, "pool dim"] | Float[Tensor, "rows pool dim"]

    @classmethod
    def look_up(cls, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items item_dim"], batch: TrainBatch) -> "BatchVectors":
        """Select the rows of all users' and all items' vectors, which may be of two lengths if a model adds to them later."""
        return cls(*(look_up(of, idx) for idx, of in ((batch.user_idx, users), (batch.item_idx, items), (batch.negatives, items))))

    def scores(self, row: Int64[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "rows pool"]]:
        """The inner products of positives and negatives with their users; `row` is that of the batch."""
        users, positives, negatives = (vectors.float() for vectors in self)
        theirs = look_up(users, row) if len(row) > len(users) else users  # for single pairs, rows are already aligned
        return (theirs * positives).sum(dim=1), _products(users, negatives).float()  # products have half precision under autocast

    def regularized(self, row: Int64[Tensor, " n"], regularization: float) -> TrainScores:
        """The scores, with `regularization` times `squared_norm` as `extra`."""
        return TrainScores(*self.scores(row), regularization * self.squared_norm())

    def squared_norm(self) -> Float[Tensor, ""]:
        """`½ (‖u‖² + ‖i‖² + ‖j‖²)`, summed over the users, positives and negatives of the batch, divided by the number of positives."""
        users, positives, negatives = (vectors.float().pow(2).sum() for vectors in self)
        return 0.5 * (users + positives + negatives) / max(1, len(self.positives))


def _products(users: Float[Tensor, "rows dim"], items: Float[Tensor, "pool dim"] | Float[Tensor, "rows pool dim"]) -> Tensor:
    """The inner products of each user with a shared pool of items, or with items of their own."""
    if items.ndim == 2:
        return users @ items.T
    if items.shape[1] == 1:  # matrix products are far slower here, especially backward
        return (users * items.view_as(users)).sum(dim=1, keepdim=True)
    return torch.einsum("bd,bnd->bn", users, items)
