"""Matrix factorisation trained pair by pair: a step looks up the rows of its batch and touches no other, however large the catalogue."""

from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, LookupRecommender, TrainScores
from mmrec.models.scores import BatchVectors, freeze_vectors, occurring
from mmrec.types import DatasetSpec


class MatrixFactorizationRecommender(LookupRecommender):
    """`score = u·i` of free vectors (Rendle et al. 2009, §5.1, BPR-MF under the loss bpr). Knows interactions alone.

    To the ranking loss it adds `regularization · ½ Σ ‖e‖² / n` over the vectors that the n positives of a batch bring. With
    `sparse_gradients` the gradients hold the rows of the batch only; the optimizer has to know such, as `RowWiseAdagrad` and
    `torch.optim.SparseAdam` do.
    """

    modalities = ()

    def __init__(self, spec: DatasetSpec, embedding_dim: int, init_scale: float, regularization: float, sparse_gradients: bool) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, came {embedding_dim}")
        self.regularization = regularization
        self.users, self.items = (nn.Embedding(n, embedding_dim, sparse=sparse_gradients) for n in (spec.n_users, spec.n_items))
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=init_scale)
        self.register_buffer("known_users", occurring(spec.train.user_idx, spec.n_users), persistent=False)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        rows = self.users(batch.user_idx), self.items(batch.item_idx), self.items(batch.negatives)
        return BatchVectors(*rows).regularized(batch.row, self.regularization)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """The vectors as they are. A user without training interactions gets the mean vector of those with some."""
        self.eval()
        return freeze_vectors(_whole(self.users), _whole(self.items), self.known_users)


def _whole(table: nn.Embedding) -> Float[Tensor, "n_rows dim"]:
    """The rows of a table, gathered from all processes where they are divided among them."""
    return table.weight.full_tensor() if isinstance(table.weight, DTensor) else table.weight
