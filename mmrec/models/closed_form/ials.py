"""iALS: weighted matrix factorisation by alternating least squares."""

from typing import Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last
from mmrec.models.closed_form.least_squares import solve_rows
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class IALS(ClosedFormRecommender):
    """Weighted matrix factorisation for implicit feedback by alternating half-steps (Hu, Koren & Volinsky 2008, eq. 3 to 5).

    Minimises `Σ_ui c_ui (x_ui - p_u·q_i)² + Σ_u λ_u ‖p_u‖² + Σ_i λ_i ‖q_i‖²` with c = `alpha` where x = 1 and 1 elsewhere. The
    regularization `λ_u = regularization · w_u^ν / mean(w^ν)` depends on the confidence `w_u = Σ_i c_ui` of a row, with ν =
    `frequency_power`, and likewise for items (Rendle et al. 2022, eq. 5, divided by the mean, so that the scale of `regularization` does
    not depend on ν).

    The vector of a user given by a history minimises the objective for fixed items, one half-step. For a known user it is close to the
    trained vector, which the last half-step of the items has not updated.

    Args:
        embedding_dim: the size of p and q.
        regularization: the scale of λ.
        alpha: the confidence of interactions.
        frequency_power: ν: 0 regularizes all rows equally, 1 in proportion to their confidence.
        n_iterations: the number of iterations over users and items.
        seed: of the initialisation.
    """

    users: Tensor
    items: Tensor

    def __init__(
        self,
        embedding_dim: int = 64,
        regularization: float = 10.0,
        alpha: float = 3.0,
        frequency_power: float = 0.0,
        n_iterations: int = 15,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if embedding_dim < 1 or regularization <= 0 or alpha <= 0:
            raise ValueError(
                f"embedding_dim, regularization, alpha: expected more than 0, found {embedding_dim}, {regularization} and {alpha}"
            )
        if frequency_power < 0:
            raise ValueError(f"frequency_power: expected at least 0, found {frequency_power}")
        self.embedding_dim, self.regularization, self.alpha = embedding_dim, regularization, alpha
        self.frequency_power, self.n_iterations, self.seed = frequency_power, n_iterations, seed

    def fit(self, spec: DatasetSpec) -> Self:
        owned = self.remember_interactions(spec)
        user_idx = torch.repeat_interleave(torch.arange(owned.n_users), owned.degree)
        owners = InteractionMatrix.from_pairs(owned.indices, user_idx, owned.n_items, owned.n_users)
        of_users, of_items = (self._regularization(rows, rows) for rows in (owned, owners))
        generator = torch.Generator().manual_seed(self.seed)
        scale = 0.1 / self.embedding_dim**0.5
        users, items = (torch.randn(n, self.embedding_dim, generator=generator) * scale for n in (owned.n_users, owned.n_items))
        for _ in range(self.n_iterations):
            users = solve_rows(owned, items, self.alpha, of_users, users)
            items = solve_rows(owners, users, self.alpha, of_items, items)
        self.remember(users=users, items=items)
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.users[user_idx], self.interactions.degree[user_idx] == 0)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        owned = histories.matrix(int(self.n_items))
        start = self.items.new_zeros(owned.n_users, self.items.shape[1])
        users = solve_rows(owned, self.items, self.alpha, self._regularization(owned, self.interactions), start)
        return self._score(users, owned.degree == 0)

    def _score(self, users: Float[Tensor, "batch dim"], is_new: Bool[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        train = self.interactions
        return popular_for_new(put_last(users @ self.items.T, train.item_degree == 0), is_new, train)

    def _regularization(self, rows: InteractionMatrix, train: InteractionMatrix) -> Float[Tensor, " n_rows"]:
        """The λ of each of the given rows, relative to the mean over training rows."""
        of_rows, of_train = ((one.degree * self.alpha + one.n_items - one.degree).double() ** self.frequency_power for one in (rows, train))
        return (self.regularization * of_rows / of_train[train.degree > 0].mean()).float()
