"""Two fitted matrices whose inner products are scores, and trained models that are mixed with them: shared by ratings and clicks."""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.fold_in import FoldInByRegression
from mmrec.models.recommender import ClosedFormRecommender, FrozenScorer, GradientRecommender, TrainedScorer
from mmrec.types import DatasetSpec, Interactions


@dataclass(frozen=True)
class FactorScorer(TrainedScorer):
    """The base class of scorers by the inner products of user and item vectors, which a head then interprets."""

    factors: FrozenScorer

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.factors.score_users(user_idx)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self.factors.score_histories(histories)

    def vectors(self) -> FrozenScorer:
        return self.factors


class FittedFactors(ClosedFormRecommender):
    """The base class of models that are fitted once as two matrices, whose inner products are scores."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.users[user_idx] @ self.items.T

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        user_idx = torch.repeat_interleave(torch.arange(self.interactions.n_users), self.interactions.degree)
        train = Interactions(user_idx, self.interactions.indices)
        return FoldInByRegression(self.users, self.items, train)(histories) @ self.items.T

    def vectors(self) -> FrozenScorer:
        return FrozenScorer(self.users, self.items, self.items.new_zeros(len(self.items), 0))


class MixedWithFitted(GradientRecommender):
    """The base class of trained models whose score is `(1 - w) s + w s'` with the score s' of a model that was fitted before.

    Validation chooses w, and checkpoints contain it.

    Args:
        spec: the training data.
        fitted: the fitted model. None: w is 0.
    """

    weight_of_fitted: Float[Tensor, ""]
    fitted_users: Float[Tensor, "n_users rank"]
    fitted_items: Float[Tensor, "n_items rank"]

    def __init__(self, spec: DatasetSpec, fitted: FittedFactors | None = None) -> None:
        super().__init__(spec)
        self.has_fitted = fitted is not None
        self.register_buffer("weight_of_fitted", torch.zeros(()))
        none = torch.zeros(spec.n_users, 0), torch.zeros(spec.n_items, 0)
        for name, values in zip(("users", "items"), none if fitted is None else (fitted.users, fitted.items), strict=True):
            self.register_buffer(f"fitted_{name}", values, persistent=False)

    @abstractmethod
    def vectors(self, hidden: Collection[str] = ()) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """Return vectors whose inner products are the scores s, without gradients, ignoring the modalities in `hidden`."""

    @abstractmethod
    def mixed(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], weight: float) -> FactorScorer:
        """Return the scorer of these vectors mixed with the fitted model with a weight from 0 to 1."""

    def freeze(self, hidden: Collection[str] = ()) -> FactorScorer:
        return self.mixed(*self.vectors(hidden), float(self.weight_of_fitted))

    def mixed_factors(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], weight: float) -> FrozenScorer:
        """Return the vectors whose inner products are the mixed scores."""
        if self.has_fitted:
            users = torch.cat([(1 - weight) * users, weight * self.fitted_users], dim=1)
            items = torch.cat([items, self.fitted_items], dim=1)
        return FrozenScorer(users, items, items.new_zeros((len(items), 0)))
