"""UserKNN: what users with a like history have."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, sparse_matrix
from mmrec.types import DatasetSpec


class UserKNN(HistoryBasedRecommender):
    """Sum over a user's `n_neighbors` most similar users who have the item, each by the shrunk cosine
    `s_uv = |I_u ∩ I_v| / (√(|I_u||I_v|) + shrinkage)` (Resnick et al. 1994; Aiolli 2013 for binary data).

    Similarities are made for the users of a batch as they are scored: `(batch, n_users)` is the largest that is ever dense. A user is no
    neighbour of their own: of the training users who have exactly the same items, the first is taken for the user.
    """

    def __init__(self, n_neighbors: int = 100, shrinkage: float = 10.0) -> None:
        super().__init__()
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """There is nothing to learn: the training interactions are the model."""

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        train, degree = self.interactions, owned.degree[user_idx]
        rows = sparse_matrix(train)
        shared = torch.from_numpy(rows @ dense_rows(owned, user_idx).T.numpy()).T
        similarity = shared / (torch.outer(degree.float().sqrt(), train.degree.float().sqrt()) + self.shrinkage + 1e-12)
        is_same = (shared == degree[:, None]) & (train.degree == degree[:, None])
        first = is_same.int().argmax(dim=1, keepdim=True)
        similarity.scatter_(1, first, torch.where(is_same.gather(1, first), 0.0, similarity.gather(1, first)))
        kept = similarity.topk(min(self.n_neighbors, train.n_users), dim=1)
        weights = torch.zeros_like(similarity).scatter_(1, kept.indices, kept.values)
        return torch.from_numpy(rows.T @ weights.T.contiguous().numpy()).T
