"""Biased matrix factorisation of ratings by alternating least squares."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.models.rating.mean_rating import biases
from mmrec.models.rating.predictor import RatingFactors, rated_values
from mmrec.models.rating.ridge_rows import Cells, ridge_rows
from mmrec.types import DatasetSpec, Interactions


class BiasedMF(RatingFactors):
    """Predicts `μ + b_u + b_i + p_u·q_i` (Koren, Bell & Volinsky 2009, eq. 4), by alternating ridge regressions with exact solutions.

    Minimises `Σ (r - μ - b_u - b_i - p_u·q_i)² + λ Σ_u n_u^ν (‖p_u‖² + b_u²) + λ Σ_i n_i^ν (‖q_i‖² + b_i²)` over the ratings, where
    n counts ratings: with ν = 1, the weighting of ALS-WR (Zhou et al. 2008).

    Args:
        embedding_dim: the size of p and q.
        regularization: λ.
        frequency_power: ν.
        n_iterations: the number of turns of users and items.
        seed: of the initialisation.
    """

    def __init__(
        self,
        embedding_dim: int = 16,
        regularization: float = 8.0,
        frequency_power: float = 0.3,
        n_iterations: int = 15,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if embedding_dim < 1 or regularization <= 0:
            raise ValueError(f"embedding_dim, regularization: expected more than 0, found {embedding_dim} and {regularization}")
        self.embedding_dim, self.regularization, self.frequency_power = embedding_dim, regularization, frequency_power
        self.n_iterations, self.seed = n_iterations, seed

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        mean, of_users, of_items = biases(rated, spec, damping=5.0)
        values = rated_values(rated).double() - mean
        by_user = Cells.build(rated.user_idx, rated.item_idx, values, (spec.n_users, spec.n_items))
        by_item = Cells.build(rated.item_idx, rated.user_idx, values, (spec.n_items, spec.n_users))
        vectors = (
            torch.randn(spec.n_items, self.embedding_dim, generator=torch.Generator().manual_seed(self.seed), dtype=torch.float64) * 0.1
        )
        users, items = of_users[:, None], torch.cat([of_items[:, None], vectors], dim=1)
        penalty_of_users, penalty_of_items = self._penalty(by_user), self._penalty(by_item)
        for _ in range(self.n_iterations):
            users = ridge_rows(by_user, _with_one(items), by_user.values - items[by_user.column, 0], penalty_of_users)
            items = ridge_rows(by_item, _with_one(users), by_item.values - users[by_item.column, 0], penalty_of_items)
        return product_with_biases(users, items, mean)

    def _penalty(self, cells: Cells) -> Float[Tensor, " n_rows"]:
        counts = torch.bincount(cells.row, minlength=cells.matrix.shape[0]).clamp(min=1).double()
        return self.regularization * counts**self.frequency_power


def _with_one(vectors: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Replace the bias in the first column by the regressor of the other side's bias."""
    return F.pad(vectors[:, 1:], (1, 0), value=1.0)


def product_with_biases(
    users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], mean: Float[Tensor, ""]
) -> tuple[Float[Tensor, "n_users dim_plus_1"], Float[Tensor, "n_items dim_plus_1"]]:
    """Return two matrices with the inner products `mean + b_u + b_i + p_u·q_i`, given vectors whose first column is the bias."""
    of_users = torch.cat([users[:, 1:], mean + users[:, :1], torch.ones_like(users[:, :1])], dim=1)
    return of_users, torch.cat([items[:, 1:], torch.ones_like(items[:, :1]), items[:, :1]], dim=1)
