"""Matrix factorisation trained on pairs: a step accesses only the rows in its batch, however large the catalogue is."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, LookupRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.table_rows import ITEMS, USERS
from mmrec.types import DatasetSpec


class MatrixFactorizationRecommender(LookupRecommender):
    """Scores `u·i` of free vectors (Rendle et al. 2009, §5.1; with the loss bpr, BPR-MF).

    Adds `regularization · ½ Σ ‖e‖² / n` to the ranking loss, over the vectors in a batch with n positives.

    Args:
        spec: the training data.
        embedding_dim: the size of vectors.
        init_scale: the standard deviation of the initialisation.
        regularization: the weight of the L2 penalty.
        sparse_gradients: whether gradients contain only the rows in the batch, which requires an optimizer such as `RowWiseAdagrad` or
            `torch.optim.SparseAdam`.
        item_bias: whether to add a bias per item, `u·i + b_i`, stored as a further number of the item's vector.
    """

    table_rows = {"users.weight": (USERS,), "items.weight": (ITEMS,)}  # noqa: RUF012

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        init_scale: float = 0.1,
        regularization: float = 0.01,
        sparse_gradients: bool = True,
        item_bias: bool = False,
    ) -> None:
        super().__init__(spec)
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, found {embedding_dim}")
        self.regularization, self.item_bias = regularization, item_bias
        sizes = (spec.n_users, embedding_dim), (spec.n_items, embedding_dim + item_bias)
        self.users, self.items = (nn.Embedding(*size, sparse=sparse_gradients) for size in sizes)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=init_scale)
        if item_bias:
            nn.init.zeros_(self.items.weight[:, -1])

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        free = BatchVectors(self.users(batch.user_idx), self.items(batch.item_idx), self.items(batch.negatives))
        scores = free._replace(users=self._with_one(free.users)).scores(batch.row)
        return TrainScores(*scores, self.regularization * free.squared_norm())

    def _with_one(self, users: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim_of_items"]:
        return F.pad(users, (0, 1), value=1.0) if self.item_bias else users

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """Return the vectors. Users without training interactions get the mean vector of the others."""
        self.eval()
        return self.freeze_vectors(self._with_one(_whole(self.users)), _whole(self.items))


def _whole(table: nn.Embedding) -> Float[Tensor, "n_rows dim"]:
    """The whole table, gathered from all processes if it is sharded."""
    return table.weight.full_tensor() if isinstance(table.weight, DTensor) else table.weight
