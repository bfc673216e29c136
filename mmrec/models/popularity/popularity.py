"""Popularity: everybody gets what most people interacted with."""

from typing import Self

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline, interaction_matrix
from mmrec.types import DatasetSpec


class Popularity(Baseline):
    """Scores an item by the number of its training users."""

    def fit(self, spec: DatasetSpec) -> Self:
        self._counts = interaction_matrix(spec).item_degree.float()
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._counts.repeat(len(user_idx), 1)
