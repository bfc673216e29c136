"""Means of ratings: of all, of a user, of an item, or the sum of both deviations."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.rating.predictor import RatingFactors, rated_values
from mmrec.types import DatasetSpec, Interactions

OF = ("global", "user", "item", "user_and_item")
_N_ROUNDS = 10


class MeanRating(RatingFactors):
    """Predicts `μ`, `μ + b_u`, `μ + b_i` or `μ + b_u + b_i`, the means that every model of ratings has to beat (Koren 2008, §2.1).

    `b` is the mean deviation of a user's or item's ratings from what the rest predicts, shrunk towards 0: `Σ (r - rest) / (n + damping)`.
    With both, users and items take turns until they agree.

    Args:
        of: `global`, `user`, `item` or `user_and_item`.
        damping: the number of ratings of the mean that a user or item begins with.
    """

    def __init__(self, of: str = "user_and_item", damping: float = 5.0) -> None:
        super().__init__()
        if of not in OF:
            raise ValueError(f"of: expected {', '.join(OF)}, found {of}")
        if damping < 0:
            raise ValueError(f"damping: expected at least 0, found {damping}")
        self.of, self.damping = of, damping

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users 2"], Float[Tensor, "n_items 2"]]:
        mean, users, items = biases(rated, spec, self.damping, self.of)
        return torch.stack([mean + users, torch.ones_like(users)], dim=1), torch.stack([torch.ones_like(items), items], dim=1)


def biases(
    rated: Interactions, spec: DatasetSpec, damping: float, of: str = "user_and_item"
) -> tuple[Float[Tensor, ""], Float[Tensor, " n_users"], Float[Tensor, " n_items"]]:
    """Return the mean rating and the shrunk deviations of users and items, zero where there are no ratings, in double precision."""
    ratings = rated_values(rated).double()
    mean, users, items = ratings.mean(), ratings.new_zeros(spec.n_users), ratings.new_zeros(spec.n_items)
    for _ in range(_N_ROUNDS if of == "user_and_item" else 1):
        if of in ("item", "user_and_item"):
            items = _shrunk_means(ratings - mean - users[rated.user_idx], rated.item_idx, spec.n_items, damping)
        if of in ("user", "user_and_item"):
            users = _shrunk_means(ratings - mean - items[rated.item_idx], rated.user_idx, spec.n_users, damping)
    return mean, users, items


def _shrunk_means(values: Float[Tensor, " n"], idx: Int64[Tensor, " n"], size: int, damping: float) -> Float[Tensor, " size"]:
    n = torch.bincount(idx, minlength=size)
    return values.new_zeros(size).index_add_(0, idx, values) / (n + damping).clamp(min=1e-12)
