"""RandomNewItems: new items in random order before all others, the chance level if new items are held out."""

from typing import Self

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.fold_in import occurring
from mmrec.models.popularity.random import Random
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class RandomNewItems(ClosedFormRecommender):
    """Scores items as `Random` does, with those that have training interactions lowered by 1, below all new items."""

    is_new: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = Random(seed)

    def fit(self, spec: DatasetSpec) -> Self:
        self.random.fit(spec)
        self.remember(is_new=~occurring(spec.train.item_idx, spec.n_items))
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.random.score_users(user_idx) - (~self.is_new).float()

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self.random.score_histories(histories) - (~self.is_new).float()
