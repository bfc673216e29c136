"""ItemKNN: items like those in the user's history."""

from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline, dense_rows, interaction_matrix, item_gram, popular_for_new
from mmrec.types import DatasetSpec


class ItemKNN(Baseline):
    """Sum over the history of shrunk cosine similarities, `s_ij = |U_i ∩ U_j| / (√(|U_i||U_j|) + shrinkage)`, each item keeping its
    `n_neighbors` most similar ones (Sarwar et al. 2001; Deshpande & Karypis 2004)."""

    def __init__(self, n_neighbors: int, shrinkage: float) -> None:
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def fit(self, spec: DatasetSpec) -> Self:
        train = interaction_matrix(spec)
        similarity = item_gram(train)
        norm = similarity.diagonal().sqrt()
        similarity /= torch.outer(norm, norm) + self.shrinkage + 1e-12
        similarity.fill_diagonal_(0)
        kept = similarity.topk(min(self.n_neighbors, train.n_items), dim=1)
        self._similarity = torch.zeros_like(similarity).scatter_(1, kept.indices, kept.values)
        self._train = train
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return popular_for_new(dense_rows(self._train, user_idx) @ self._similarity.T, user_idx, self._train)
