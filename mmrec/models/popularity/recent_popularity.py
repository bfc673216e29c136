"""Recent popularity: recommend the items that are popular now to everybody."""

from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.recommender import ClosedFormRecommender, LackingData
from mmrec.types import DatasetSpec

_DAY_S = 86_400


class RecentPopularity(ClosedFormRecommender):
    """The sum of `2^(-age / half_life_days)` over an item's training events, with ages relative to the latest training event.

    Exponential decay as in Ji et al. 2020, "A Re-visit of the Popularity Baseline in Recommender Systems", where the current popularity is
    the baseline to beat. Repeated events count separately.

    Args:
        half_life_days: the half-life.
    """

    is_history_based = True
    weights: Tensor

    def __init__(self, half_life_days: float = 30.0) -> None:
        super().__init__()
        if half_life_days <= 0:
            raise ValueError(f"half_life_days: expected more than 0, found {half_life_days}")
        self.half_life_days = half_life_days

    def fit(self, spec: DatasetSpec) -> Self:
        """Raises LackingData if the interactions have no timestamps."""
        times = spec.train.timestamp
        if times is None:
            raise LackingData("recent popularity requires the times of interactions in a column `timestamp`, which does not exist")
        weights = torch.zeros(spec.n_items, dtype=torch.float64)
        if len(times):
            age_days = (times.max() - times).double() / _DAY_S
            weights.index_add_(0, spec.train.item_idx, torch.exp2(-age_days / self.half_life_days))
        self.remember(weights=weights.float())
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.weights.repeat(len(user_idx), 1)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self.weights.repeat(len(histories), 1)
