"""The rating task: predict which rating a user gives an item, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.interaction_batches import HeldOutRows, InteractionBatch, InteractionBatches
from mmrec.errors import ConfigError, DataError
from mmrec.metrics.direction import Metric
from mmrec.metrics.full_ranking import Evaluated
from mmrec.metrics.pooled import Pooled
from mmrec.metrics.rating import mae, rmse
from mmrec.metrics.rating_distribution import rating_calibration_error
from mmrec.models.rating.predictor import RATINGS, RatingPredictor, RatingRecommender, rated_rows, rated_values
from mmrec.models.recommender import Recommender, TrainedScorer
from mmrec.tasks.parameter_groups import Rates
from mmrec.tasks.task import GROUPS, Task, Validated, gather_rows
from mmrec.types import RATING, USER_IDX, Interactions, Scorer

_OPTIMIZER = partial(torch.optim.AdamW, lr=0.003, weight_decay=0.01)
_WEIGHTS = [step / 20 for step in range(21)]
"""The weights of a fitted model in the mixture that validation tries."""
_N_FIRST = 3
"""The columns of `Pooled` before the probabilities: the rating, its prediction and its log loss."""


class RatingTask(Task):
    """Trains a model of ratings on every training row that has one.

    Measures, over all held-out rows with a rating: the root mean squared and the mean absolute error, the log loss of the predicted
    distribution, and its calibration error. Predictions are inside the scale of the training part. Validation also chooses the spread of
    the distribution, of the trained model and of every baseline, and the weight of a model that was fitted before (`RatingRecommender`).

    Args:
        model: the model to train.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables.
        seed: of training.
        groups: optimizer settings by role of parameters, see `mmrec.tasks.parameter_groups`.
    """

    predicts: ClassVar[str] = RATINGS
    columns: ClassVar[tuple[str, ...]] = (RATING,)
    shown: ClassVar[str] = "rmse"

    def __init__(
        self,
        model: Recommender,
        optimizer: Callable[..., torch.optim.Optimizer] = _OPTIMIZER,
        embedding_lr: float = 0.003,
        seed: int = 0,
        groups: Rates = GROUPS,
    ) -> None:
        super().__init__(model, optimizer, embedding_lr, groups, seed)

    @classmethod
    def metrics(cls, settings: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return the metrics, all of them errors, the root mean squared error first."""
        return tuple(Metric(name, higher_is_better=False) for name in ("rmse", "mae", "log_loss", "calibration_error"))

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> InteractionBatches:
        return InteractionBatches(rated_rows(train.interactions), settings.batch_size, settings.seed, place)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> HeldOutRows:
        """Return the held-out rows that have a rating.

        Raises:
            DataError: there are none, or one is outside the scale of the training part.
        """
        scale, rows = rated_values(rated_rows(seen[0].interactions)), held_out.interactions
        if rows.rating is None or bool(rows.rating.isnan().all()):
            raise DataError("task=rating: no row of a held-out part has a rating; use another split, or more data")
        low, high = float(scale.min()), float(scale.max())
        if len(outside := rows.rating[(rows.rating < low) | (rows.rating > high)]):
            raise DataError(
                f"task=rating: {len(outside):,} held-out ratings are outside the scale of the training part, {low:g} to {high:g}, "
                f"such as {float(outside[0]):g}; correct or remove them, or choose a split that trains on such ratings"
            )
        return HeldOutRows.build(rows, ~rows.rating.isnan())

    def loss_of(self, batch: InteractionBatch, generator: torch.Generator) -> Float[Tensor, ""]:
        if not isinstance(self.model, RatingRecommender):
            raise TypeError(f"model: expected one that learns ratings by gradient, found {type(self.model).__name__}")
        assert batch.rating is not None  # `train_batches` takes rows that have one
        scores, extra = self.model.score_ratings(batch, generator)
        return self.model.head.loss(scores, batch.rating) + extra

    def validate(self, rows: HeldOutRows) -> Validated:
        model = self.model
        if not isinstance(model, RatingRecommender):
            raise TypeError(f"model: expected one that learns ratings by gradient, found {type(model).__name__}")
        vectors = model.vectors()
        self.refuse_divergence(*vectors)
        pairs, weights = (rows.rows.user_idx, rows.rows.item_idx), _WEIGHTS if model.has_fitted else [0.0]
        own, fitted = (model.mixed(*vectors, weight).score_pairs(*pairs) for weight in (0.0, 1.0))
        own, fitted, ratings = gather_rows(torch.stack([own, fitted, rated_values(rows.rows)], dim=1)).unbind(dim=1)
        errors = {one: rmse(model.head.expected((1 - one) * own + one * fitted), ratings) for one in weights}
        weight = min(errors, key=lambda one: errors[one])
        spread = model.head.fitted_spread((1 - weight) * own + weight * fitted, ratings)

        def adopt() -> None:
            model.weight_of_fitted.fill_(weight)
            model.head.spread.fill_(spread)

        return self.validated(self.measure(model.mixed(*vectors, weight).with_spread(spread), rows))._replace(adopt=adopt)

    def settled(self, scorer: TrainedScorer, rows: HeldOutRows) -> TrainedScorer:
        predictor = _predictor(scorer)
        scores = predictor.score_pairs(rows.rows.user_idx, rows.rows.item_idx)
        settled: TrainedScorer = predictor.with_spread(predictor.head.fitted_spread(scores, rated_values(rows.rows)))
        return settled

    @torch.no_grad()
    def measure(self, scorer: Scorer, rows: HeldOutRows) -> Evaluated:
        """Return the errors of each user, and of all rows together. Raises ConfigError for a scorer that does not predict ratings."""
        predictor, held_out = _predictor(scorer), rows.rows
        head, ratings = predictor.head, rated_values(held_out)
        scores = predictor.score_pairs(held_out.user_idx, held_out.item_idx)
        expected = head.expected(scores).double()
        first = torch.stack([ratings.double(), expected, head.log_loss(scores, ratings).double()], dim=1)
        columns = torch.cat([first, head.above(scores).double()], dim=1)
        return Evaluated(None, _by_user(held_out, first), _pooled(held_out, columns, head.levels.double()))


def _pooled(rows: Interactions, columns: Float[Tensor, "n n_columns"], levels: Float[Tensor, " n_levels"]) -> Pooled:
    return Pooled(rows.user_idx, rows.item_idx, columns, partial(_measures, levels), partial(_events, levels))


def _events(levels: Float[Tensor, " n_levels"], columns: Float[Tensor, "n n_columns"]) -> tuple[Tensor, Tensor]:
    """The events "the rating is above a level", of every row and every level but the highest."""
    happened = columns[:, :1] > levels[:-1].to(columns.device)
    return columns[:, _N_FIRST:].flatten(), happened.flatten()


def _measures(levels: Float[Tensor, " n_levels"], columns: Float[Tensor, "n n_columns"]) -> dict[str, float]:
    ratings, expected, log_loss = columns[:, :_N_FIRST].unbind(dim=1)
    return {
        "rmse": rmse(expected, ratings),
        "mae": mae(expected, ratings),
        "log_loss": log_loss.mean().item(),
        "calibration_error": rating_calibration_error(columns[:, _N_FIRST:], ratings, levels.to(columns.device)),
    }


def _by_user(rows: Interactions, columns: Float[Tensor, "n 3"]) -> pl.DataFrame:
    """The errors of each user, ascending."""
    ratings, expected, log_loss = columns.cpu().unbind(dim=1)
    table = pl.DataFrame({USER_IDX: rows.user_idx.cpu().numpy(), "error": (expected - ratings).numpy(), "log_loss": log_loss.numpy()})
    error = pl.col("error")
    measured = (error.pow(2).mean().sqrt().alias("rmse"), error.abs().mean().alias("mae"), pl.col("log_loss").mean())
    return table.group_by(USER_IDX, maintain_order=True).agg(*measured).sort(USER_IDX)


def _predictor(scorer: Any) -> RatingPredictor:
    if not isinstance(scorer, RatingPredictor):
        raise ConfigError(
            f"task=rating: expected a model that predicts ratings, such as model=rating_fusion, found {type(scorer).__name__}"
        )
    return scorer
