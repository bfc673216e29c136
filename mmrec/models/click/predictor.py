"""What predicts clicks: the interface of trained models and baselines of the click task, and its frozen form."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.batches.interaction_batches import InteractionBatch
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.fitted_factors import FactorScorer, FittedFactors, MixedWithFitted
from mmrec.models.recommender import LackingData, TrainScores
from mmrec.nn.heads.click import Calibration, ClickHead
from mmrec.types import DatasetSpec, Interactions

CLICKS = "clicks"
"""As `Recommender.predicts`."""


class ClickPredictor(ABC):
    """A scorer whose scores are logits of clicks at the reference position, before calibration."""

    @property
    @abstractmethod
    def head(self) -> ClickHead:
        """The effects of positions, if they are additive, and the calibration."""

    @abstractmethod
    def logits(self, rows: Interactions) -> Float[Tensor, " n"]:
        """Return the logits of clicks on impressions at their positions, before calibration."""

    @abstractmethod
    def with_calibration(self, calibration: Calibration) -> Any:
        """Return the scorer with another calibration, as chosen by validation. Models in closed form remember it."""


@dataclass(frozen=True)
class ClickScorer(FactorScorer, ClickPredictor):
    """User and item vectors, whose inner products are logits of clicks at the reference position."""

    click_head: ClickHead

    @property
    def head(self) -> ClickHead:
        return self.click_head

    @torch.no_grad()
    def logits(self, rows: Interactions) -> Float[Tensor, " n"]:
        scores = (self.factors.users[rows.user_idx] * self.factors.items[rows.item_idx]).sum(dim=1)
        return self.click_head.logits(scores, rows.position)

    def with_calibration(self, calibration: Calibration) -> "ClickScorer":
        return ClickScorer(self.factors, self.click_head.with_calibration(calibration))


class ClickFactors(FittedFactors, ClickPredictor):
    """The base class of click models that are fitted once: two matrices, whose inner products are logits, and effects of positions."""

    predicts: ClassVar[str] = CLICKS
    positions: Int64[Tensor, " n_positions"]
    effects: Float[Tensor, " n_effects"]
    calibration: Float[Tensor, " 2"]

    @abstractmethod
    def factors(
        self, rows: Interactions, place: Int64[Tensor, " n"], spec: DatasetSpec
    ) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"], Float[Tensor, " n_effects"]]:
        """Return the vectors of users and items, and what is added at each place, given the training rows that have a label.

        `place` is the index of the position of each row among those of training, from 1; 0 for missing ones.
        """

    def fit(self, spec: DatasetSpec) -> Self:
        rows = labelled_rows(spec.train)
        self.remember_interactions(spec)
        self.remember(positions=positions_of(rows), calibration=torch.tensor(Calibration()))
        place = place_of(rows, self.positions)
        users, items, effects = self.factors(rows, place, spec)
        reference = effects[min(1, len(self.positions))].clone()
        if not (place == 0).any():
            effects[0] = reference  # a missing position counts as the reference
        users = torch.cat([users, torch.full_like(users[:, :1], float(reference))], dim=1)
        items = torch.cat([items, torch.ones_like(items[:, :1])], dim=1)
        self.remember(users=users.float(), items=items.float(), effects=(effects - reference).float())
        return self

    @property
    def head(self) -> ClickHead:
        head = ClickHead(self.positions)
        head.effects.data.copy_(self.effects[2:])
        return head.with_calibration(Calibration(*self.calibration.tolist()))

    def logits(self, rows: Interactions) -> Float[Tensor, " n"]:
        scores = (self.users[rows.user_idx] * self.items[rows.item_idx]).sum(dim=1)
        return scores + self.effects[place_of(rows, self.positions)]

    def with_calibration(self, calibration: Calibration) -> Self:
        self.remember(calibration=torch.tensor(calibration))
        return self


class ClickRecommender(MixedWithFitted):
    """A model of clicks that is trained by gradient descent, optionally mixed with one that was fitted before.

    The logit is `(1 - w) s + w s'` with the score s' of the fitted model. Validation chooses w (`ClickTask`), and checkpoints contain it.

    Args:
        spec: the training data, with labels.
        fitted: the fitted model. None: w is 0.

    Raises:
        LackingData: no training interaction has a label.
    """

    predicts: ClassVar[str] = CLICKS

    def __init__(self, spec: DatasetSpec, fitted: ClickFactors | None = None) -> None:
        super().__init__(spec, fitted)
        self.head = ClickHead(positions_of(labelled_rows(spec.train)))

    def mixed(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], weight: float) -> ClickScorer:
        return ClickScorer(self.mixed_factors(users, items, weight), self.head)

    @abstractmethod
    def score_clicks(self, batch: InteractionBatch, generator: torch.Generator) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        """Return the scores of a batch of impressions at the reference position, and the regularization to add to the loss."""

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise TypeError(f"{type(self).__name__} learns from labels, which a batch of positives and negatives does not have; use task=click")


def labelled_rows(rows: Interactions) -> Interactions:
    """Return the rows that have a label. Raises LackingData unless some have label 1 and some 0."""
    if rows.label is None or not bool((rows.label == 1).any()) or not bool((rows.label == 0).any()):
        raise LackingData("the training part does not have both labels, 1 and 0")
    return rows.take((~rows.label.isnan()).nonzero().flatten())


def clicked_of(labelled: Interactions) -> Bool[Tensor, " n"]:
    """Return whether rows that have a label are clicked."""
    assert labelled.label is not None  # of `labelled_rows`
    return labelled.label > 0


def place_of(rows: Interactions, positions: Int64[Tensor, " n_positions"]) -> Int64[Tensor, " n"]:
    """Return the index of each row's position among those of training, from 1; 0 for missing ones."""
    if rows.position is None or not len(positions):
        return torch.zeros_like(rows.user_idx)
    return torch.searchsorted(positions, rows.position, right=True)


def positions_of(labelled: Interactions) -> Int64[Tensor, " n_positions"]:
    """Return the different positions, ascending, without missing ones."""
    if labelled.position is None:
        return torch.zeros(0, dtype=torch.int64, device=labelled.user_idx.device)
    positions: Tensor = labelled.position[labelled.position >= 0].unique()
    return positions
