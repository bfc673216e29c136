"""The base class of models in closed form that represent a user by the set of their items."""

from abc import abstractmethod
from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import popular_for_new
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec


class HistoryBasedRecommender(ClosedFormRecommender):
    """Scores by the set of a user's items alone: known users and histories are treated alike, and users without items get popular items."""

    is_history_based = True

    def fit(self, spec: DatasetSpec) -> Self:
        self.learn(self.remember_interactions(spec), spec)
        return self

    @abstractmethod
    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Learn from the training interactions, and remember what scoring needs. Raises LackingData as `fit` does."""

    @abstractmethod
    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The scores of users of `owned`, which may be other than the training interactions. Rows of users without items are ignored."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.interactions, user_idx)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self._score(histories.matrix(int(self.n_items)), torch.arange(len(histories)))

    def _score(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return popular_for_new(self.score_rows(owned, user_idx), owned.degree[user_idx] == 0, self.interactions)
