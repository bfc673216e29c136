"""Matrix factorisation trained pair by pair: a step looks up the rows of its batch and touches no other, however large the catalogue."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, LookupRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.types import DatasetSpec


class MatrixFactorizationRecommender(LookupRecommender):
    """`score = u·i` of free vectors (Rendle et al. 2009, §5.1, BPR-MF under the loss bpr). Knows interactions alone.

    To the ranking loss it adds `regularization · ½ Σ ‖e‖² / n` over the vectors that the n positives of a batch bring. With
    `sparse_gradients` the gradients hold the rows of the batch only; the optimizer has to know such, as `RowWiseAdagrad` and
    `torch.optim.SparseAdam` do. With `item_bias` the score is `u·i + b_i`: the last number of an item's vector, where a user's is 1.
    """

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
            raise ValueError(f"embedding_dim: expected at least 1, came {embedding_dim}")
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
        """The vectors as they are. A user without training interactions gets the mean vector of those with some."""
        self.eval()
        return self.freeze_vectors(self._with_one(_whole(self.users)), _whole(self.items))


def _whole(table: nn.Embedding) -> Float[Tensor, "n_rows dim"]:
    """The rows of a table, gathered from all processes where they are divided among them."""
    return table.weight.full_tensor() if isinstance(table.weight, DTensor) else table.weight
