"""Random: the chance level."""

from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class Random(ClosedFormRecommender):
    """Uniform random scores in [0, 1), independent for every user, as a function of `seed` and user_idx; includes new items.

    For a history, they are a function of `seed` and of its length and sum, so that equal histories get equal scores.
    """

    n_items: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def fit(self, spec: DatasetSpec) -> Self:
        self.remember(n_items=torch.tensor(spec.n_items))
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._draw(user_idx)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        total = histories.item_idx.cumsum(0)
        sums = torch.cat([total.new_zeros(1), total])[histories.indptr].diff()
        return self._draw(sums * 1_009 + histories.n_events)

    def _draw(self, numbers: Int64[Tensor, " n"]) -> Float[Tensor, "n n_items"]:
        rows = [torch.rand(int(self.n_items), generator=self._generator(number)) for number in numbers.tolist()]
        return torch.stack(rows) if rows else torch.empty(0, int(self.n_items))

    def _generator(self, number: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)
