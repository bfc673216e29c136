"""ItemKNN: items like those in the user's history."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, item_gram
from mmrec.types import DatasetSpec


class ItemKNN(HistoryBasedRecommender):
    """Sum over the history of shrunk cosine similarities, `s_ij = |U_i ∩ U_j| / (√(|U_i||U_j|) + shrinkage)`, each item keeping its
    `n_neighbors` most similar ones (Sarwar et al. 2001; Deshpande & Karypis 2004)."""

    similarity: Tensor

    def __init__(self, n_neighbors: int = 100, shrinkage: float = 10.0) -> None:
        super().__init__()
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        similarity = item_gram(owned)
        norm = similarity.diagonal().sqrt()
        similarity /= torch.outer(norm, norm) + self.shrinkage + 1e-12
        similarity.fill_diagonal_(0)
        kept = similarity.topk(min(self.n_neighbors, owned.n_items), dim=1)
        self.remember(similarity=torch.zeros_like(similarity).scatter_(1, kept.indices, kept.values))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return dense_rows(owned, user_idx) @ self.similarity.T
