"""Popularity: everybody gets what most people interacted with."""

from typing import Self

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.baselines.baseline import Baseline
from mmrec.data.csr import InteractionMatrix


class Popularity(Baseline):
    """Scores an item by the number of its training users."""

    def fit(self, train: InteractionMatrix) -> Self:
        self._counts = train.item_degree.float()
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._counts.repeat(len(user_idx), 1)
