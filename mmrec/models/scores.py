"""What models share whose score is the inner product of a user's and an item's vector."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import TrainScores
from mmrec.nn.look_up import look_up


class BatchVectors(NamedTuple):
    """The vectors that a training batch meets."""

    users: Float[Tensor, "rows dim"]
    positives: Float[Tensor, "n dim"]
    negatives: Float[Tensor, "pool dim"] | Float[Tensor, "rows pool dim"]

    @classmethod
    def look_up(cls, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], batch: TrainBatch) -> "BatchVectors":
        """The rows of all users' and all items' vectors."""
        return cls(*(look_up(of, idx) for idx, of in ((batch.user_idx, users), (batch.item_idx, items), (batch.negatives, items))))

    def scores(self, row: Int64[Tensor, " n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "rows pool"]]:
        """The inner products of the positives and of the negatives with their users; `row` is the batch's."""
        users, positives, negatives = (vectors.float() for vectors in self)
        theirs = look_up(users, row) if len(row) > len(users) else users  # of single pairs the rows are in order
        return (theirs * positives).sum(dim=1), _products(users, negatives).float()  # a product is half as precise under autocast

    def regularized(self, row: Int64[Tensor, " n"], regularization: float) -> TrainScores:
        """The scores, and as extra `regularization` times `squared_norm`."""
        return TrainScores(*self.scores(row), regularization * self.squared_norm())

    def squared_norm(self) -> Float[Tensor, ""]:
        """`½ (‖u‖² + ‖i‖² + ‖j‖²)`, summed over the batch's users, positives and negatives, divided by its positives."""
        users, positives, negatives = (vectors.float().pow(2).sum() for vectors in self)
        return 0.5 * (users + positives + negatives) / max(1, len(self.positives))


def _products(users: Float[Tensor, "rows dim"], items: Float[Tensor, "pool dim"] | Float[Tensor, "rows pool dim"]) -> Tensor:
    """The inner products of each user with a pool that all share, or with their own."""
    if items.ndim == 2:
        return users @ items.T
    if items.shape[1] == 1:  # a product of matrices is far slower there, above all backward
        return (users * items.view_as(users)).sum(dim=1, keepdim=True)
    return torch.einsum("bd,bnd->bn", users, items)
