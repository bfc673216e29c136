"""iALS: weighted matrix factorisation by alternating least squares."""

from typing import Self

import torch
from implicit.cpu.als import AlternatingLeastSquares
from jaxtyping import Bool, Float, Int64
from threadpoolctl import threadpool_limits
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last, sparse_matrix
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class IALS(ClosedFormRecommender):
    """Minimises `Σ_ui c_ui (x_ui - p_u·q_i)² + regularization (‖P‖² + ‖Q‖²)`, c = `alpha` where x = 1 and 1 elsewhere, by exact half-steps
    (Hu, Koren & Volinsky 2008, eq. 3 to 5, with `implicit`'s confidence of `alpha` and not 1 + alpha). One thread: same seed, same factors.

    A user who is given as a history gets the p that minimises this for the items as they are, which is one half-step. For a known user
    it is near the vector of training, where the last half-step moved the items.
    """

    users: Tensor
    items: Tensor

    def __init__(
        self, embedding_dim: int = 64, regularization: float = 10.0, alpha: float = 3.0, n_iterations: int = 15, seed: int = 0
    ) -> None:
        super().__init__()
        self.embedding_dim, self.regularization, self.alpha = embedding_dim, regularization, alpha
        self.n_iterations, self.seed = n_iterations, seed

    def fit(self, spec: DatasetSpec) -> Self:
        owned = self.remember_interactions(spec)
        sizes = {"factors": self.embedding_dim, "regularization": self.regularization, "alpha": self.alpha}
        with threadpool_limits(1, "blas"):  # implicit's own threads and BLAS's would fight, and the order of sums would vary
            model = AlternatingLeastSquares(
                **sizes, iterations=self.n_iterations, use_cg=False, num_threads=1, random_state=self.seed % 2**32
            )
            model.fit(sparse_matrix(owned), show_progress=False)
        self.remember(users=torch.from_numpy(model.user_factors), items=torch.from_numpy(model.item_factors))
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.users[user_idx], self.interactions.degree[user_idx] == 0)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        owned = histories.matrix(int(self.n_items))
        return self._score(self._half_step(owned), owned.degree == 0)

    def _score(self, users: Float[Tensor, "batch dim"], is_new: Bool[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        train = self.interactions
        return popular_for_new(put_last(users @ self.items.T, train.item_degree == 0), is_new, train)

    def _half_step(self, owned: InteractionMatrix) -> Float[Tensor, "n_users dim"]:
        """`(QᵀQ + (alpha - 1) Q_uᵀQ_u + regularization I)⁻¹ alpha Σ q_i` with the items Q_u of each user."""
        items = self.items.double()
        common = items.T @ items + self.regularization * torch.eye(items.shape[1], dtype=torch.float64)
        users = items.new_zeros(owned.n_users, items.shape[1])
        for user in owned.degree.nonzero().flatten():
            mine = items[owned.rows(user[None])[1]]
            users[user] = torch.linalg.solve(common + (self.alpha - 1) * mine.T @ mine, self.alpha * mine.sum(dim=0))
        return users.float()
