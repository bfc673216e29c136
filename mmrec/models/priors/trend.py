"""The popularity of items at the end of training: a part of the scores that is equal for all users."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.priors.grid import Choices
from mmrec.models.priors.linear import LinearFactors, ndcg
from mmrec.types import DatasetSpec

_DAY_S = 86_400
_HALF_LIFE_DAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 250.0, 500.0, 1000.0)
_USER_EXPONENT = 0.25
"""An interaction of a user with n of them has weight n^-¼, since interactions of very active users are less informative."""

_SHORTEST_DAYS, _LONGEST_SPANS = 1 / 24, 10.0
"""The shortest half-life, and the longest one in multiples of the training period; beyond, the trend hardly changes."""


class Trend:
    """`t_i = √(Σ 2^(-age / half_life) n_u^-¼)` over an item's interactions, standardised to mean 0 and deviation 1.

    Ages are relative to the latest interaction; without timestamps, they are 0. Validation chooses the best half-life, and extends the list
    if its end is best; `chosen` has the result.
    """

    def __init__(self, half_life_days: Sequence[float] = _HALF_LIFE_DAYS) -> None:
        if not half_life_days or min(half_life_days) <= 0:
            raise ValueError(f"half_life_days: expected a list of numbers above 0, found {half_life_days}")
        self.half_life_days = half_life_days
        self.chosen: dict[str, Any] = {}

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Float[Tensor, " n_items"]:
        """The trend with the best ndcg at `k` on the validation part."""
        everybody = torch.ones(spec.n_users, 1)

        def value(days: float) -> float:
            trend = recent_popularity(spec, days)[:, None]
            return ndcg(LinearFactors(everybody, trend, trend), valid, k)

        choices, times = Choices(), spec.train.timestamp
        if times is None or not len(times):
            return recent_popularity(spec, self.half_life_days[0])
        span_days = float(times.max() - times.min()) / _DAY_S
        days = choices.take("half_life_days", self.half_life_days, value, _SHORTEST_DAYS, max(_LONGEST_SPANS * span_days, _SHORTEST_DAYS))
        self.chosen = choices.plain()
        return recent_popularity(spec, days)


def recent_popularity(spec: DatasetSpec, half_life_days: float) -> Float[Tensor, " n_items"]:
    """`t` of `Trend` for one half-life."""
    train = spec.train
    activity = torch.bincount(train.user_idx, minlength=spec.n_users)[train.user_idx].double()
    weight = activity**-_USER_EXPONENT
    if train.timestamp is not None and len(train):
        weight = weight * torch.exp2(-(train.timestamp.max() - train.timestamp).double() / _DAY_S / half_life_days)
    trend = torch.zeros(spec.n_items, dtype=torch.float64).index_add_(0, train.item_idx, weight).sqrt()
    return ((trend - trend.mean()) / trend.std().clamp(min=1e-12)).float()
