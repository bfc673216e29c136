"""UserKNN: what users with a like history have."""

from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline, dense_rows, interaction_matrix, popular_for_new, sparse_matrix
from mmrec.types import DatasetSpec


class UserKNN(Baseline):
    """Sum over a user's `n_neighbors` most similar users who have the item, each by the shrunk cosine
    `s_uv = |I_u ∩ I_v| / (√(|I_u||I_v|) + shrinkage)` (Resnick et al. 1994; Aiolli 2013 for binary data).

    Similarities are made for the users of a batch as they are scored: `(batch, n_users)` is the largest that is ever dense.
    """

    def __init__(self, n_neighbors: int, shrinkage: float) -> None:
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def fit(self, spec: DatasetSpec) -> Self:
        self._train = interaction_matrix(spec)
        self._rows = sparse_matrix(self._train)
        self._norm = self._train.degree.float().sqrt()
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        shared = torch.from_numpy(self._rows @ dense_rows(self._train, user_idx).T.numpy()).T
        similarity = shared / (torch.outer(self._norm[user_idx], self._norm) + self.shrinkage + 1e-12)
        similarity.scatter_(1, user_idx[:, None], 0)
        kept = similarity.topk(min(self.n_neighbors, self._train.n_users), dim=1)
        weights = torch.zeros_like(similarity).scatter_(1, kept.indices, kept.values)
        scores = torch.from_numpy(self._rows.T @ weights.T.contiguous().numpy()).T
        return popular_for_new(scores, user_idx, self._train)
