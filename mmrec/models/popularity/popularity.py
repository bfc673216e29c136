"""Popularity: recommend the most popular items to everybody."""

from typing import Self

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.interaction_rows import interaction_matrix
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class Popularity(ClosedFormRecommender):
    """Scores an item by its number of training users."""

    is_history_based = True
    counts: Tensor

    def fit(self, spec: DatasetSpec) -> Self:
        self.remember(counts=interaction_matrix(spec).item_degree.float())
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.counts.repeat(len(user_idx), 1)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self.counts.repeat(len(histories), 1)
