"""What predicts ratings: the interface of trained models and baselines of the rating task, and its frozen form."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.interaction_batches import InteractionBatch
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.fitted_factors import FactorScorer, FittedFactors, MixedWithFitted
from mmrec.models.fold_in import mean_for_new, occurring
from mmrec.models.recommender import (
    LackingData,
    TrainScores,
)
from mmrec.nn.heads.rating import GaussianHead, RatingHead
from mmrec.types import DatasetSpec, Interactions

RATINGS = "ratings"
"""As `Recommender.predicts`."""


class RatingPredictor(ABC):
    """A scorer whose scores stand for distributions of ratings."""

    @property
    @abstractmethod
    def head(self) -> RatingHead:
        """The distribution of ratings that a score stands for."""

    @abstractmethod
    def score_pairs(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the scores of pairs of a user and an item."""

    @abstractmethod
    def with_spread(self, spread: float) -> Any:
        """Return the scorer with another spread of its head, as chosen by validation. Models in closed form remember it."""


@dataclass(frozen=True)
class RatingScorer(FactorScorer, RatingPredictor):
    """User and item vectors, whose inner products the head turns into ratings."""

    rating_head: RatingHead

    @property
    def head(self) -> RatingHead:
        return self.rating_head

    def score_pairs(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        return (self.factors.users[user_idx] * self.factors.items[item_idx]).sum(dim=1)

    def with_spread(self, spread: float) -> "RatingScorer":
        return RatingScorer(self.factors, self.rating_head.with_spread(spread))


class RatingFactors(FittedFactors, RatingPredictor):
    """The base class of rating models that are fitted once: two matrices, whose inner products are ratings with a normal distribution."""

    predicts: ClassVar[str] = RATINGS
    levels: Tensor
    spread: Tensor

    @abstractmethod
    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """Return the vectors of users and items, given the training rows that have a rating."""

    def fit(self, spec: DatasetSpec) -> Self:
        rated = rated_rows(spec.train)
        self.remember_interactions(spec)
        users, items = (part.float() for part in self.factors(rated, spec))
        ratings = rated_values(rated)
        error = (users[rated.user_idx] * items[rated.item_idx]).sum(dim=1) - ratings
        self.remember(users=users, items=items, levels=levels_of(rated), spread=error.std().clamp(min=1e-3))
        return self

    @property
    def head(self) -> GaussianHead:
        head = GaussianHead(self.levels)
        head.spread.copy_(self.spread)
        return head

    def score_pairs(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        return (self.users[user_idx] * self.items[item_idx]).sum(dim=1)

    def with_spread(self, spread: float) -> Self:
        self.remember(spread=torch.tensor(spread))
        return self


class RatingRecommender(MixedWithFitted):
    """A model of ratings that is trained by gradient descent, optionally mixed with one that was fitted before.

    The score is `(1 - w) s + w s'` with the score s' of the fitted model. Validation chooses w (`RatingTask`), and checkpoints contain it.

    Args:
        spec: the training data, with ratings.
        head: creates the head from `levels`.
        fitted: the fitted model. None: w is 0.

    Raises:
        LackingData: no training interaction has a rating.
        DataError: the ratings are no scale, see `RatingHead`.
    """

    predicts: ClassVar[str] = RATINGS

    def __init__(self, spec: DatasetSpec, head: type[RatingHead], fitted: RatingFactors | None = None) -> None:
        super().__init__(spec, fitted)
        self.head = head(levels_of(rated_rows(spec.train)))

    def mixed(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], weight: float) -> RatingScorer:
        return RatingScorer(self.mixed_factors(users, items, weight), self.head)

    @abstractmethod
    def score_ratings(self, batch: InteractionBatch, generator: torch.Generator) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        """Return the scores of a batch of training rows, computed without their own ratings, and the regularization to add to the loss."""

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise TypeError(
            f"{type(self).__name__} learns from ratings, which a batch of positives and negatives does not have; use task=rating"
        )


def rated_rows(rows: Interactions) -> Interactions:
    """Return the rows that have a rating. Raises LackingData if there are none."""
    if rows.rating is None or bool(rows.rating.isnan().all()):
        raise LackingData("the training part has no ratings")
    return rows.take((~rows.rating.isnan()).nonzero().flatten())


def rated_values(rated: Interactions) -> Float[Tensor, " n"]:
    """Return the ratings of rows that have one."""
    assert rated.rating is not None  # of `rated_rows`
    return rated.rating


def levels_of(rated: Interactions) -> Float[Tensor, " n_levels"]:
    """Return the different ratings, ascending."""
    levels: Tensor = rated_values(rated).unique()
    return levels


def with_new_users(users: Float[Tensor, "n_users dim"], rated: Interactions) -> Float[Tensor, "n_users dim"]:
    """Give users without ratings the mean vector of the others."""
    return mean_for_new(users, occurring(rated.user_idx, len(users)))
