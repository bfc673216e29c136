"""The click task: predict the probability that a user clicks on an item that is shown at some position."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.interaction_batches import HeldOutRows, InteractionBatch, InteractionBatches
from mmrec.errors import ConfigError, DataError
from mmrec.metrics.click import auc_by_user, click_auc, ece_equal_mass, log_loss
from mmrec.metrics.direction import Metric
from mmrec.metrics.full_ranking import Evaluated
from mmrec.metrics.pooled import Pooled
from mmrec.models.click.predictor import CLICKS, ClickPredictor, ClickRecommender, clicked_of, labelled_rows
from mmrec.models.recommender import Recommender, TrainedScorer
from mmrec.nn.heads.click import fit_calibration
from mmrec.tasks.parameter_groups import Rates
from mmrec.tasks.task import GROUPS, Task, Validated, gather_rows
from mmrec.types import LABEL, USER_IDX, Scorer

_OPTIMIZER = partial(torch.optim.AdamW, lr=0.003, weight_decay=0.01)
_WEIGHTS = [step / 20 for step in range(21)]
"""The weights of a fitted model in the mixture that validation tries."""
_N_BINS = 10
_CHANCE = 0.5


class ClickTask(Task):
    """Trains a model of clicks on every training row that has a label, by the binary cross-entropy.

    Measures, over all held-out rows with a label, at the positions at which they were shown: the area under the ROC curve (`auc`), its mean
    over users who clicked on some rows and not on others (`user_auc`), the log loss, and the calibration error over ten bins of equally
    many rows. Validation also chooses temperature and offset of the logits, of the trained model and of every baseline, and the weight of
    a model that was fitted before (`ClickRecommender`).

    Args:
        model: the model to train.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables.
        seed: of training.
        groups: optimizer settings by role of parameters, see `mmrec.tasks.parameter_groups`.
    """

    predicts: ClassVar[str] = CLICKS
    columns: ClassVar[tuple[str, ...]] = (LABEL,)
    shown: ClassVar[str] = "auc"

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
        """Return the metrics with their directions, the area under the ROC curve first."""
        errors = (Metric(name, higher_is_better=False) for name in ("log_loss", "calibration_error"))
        return Metric("auc"), Metric("user_auc"), *errors

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> InteractionBatches:
        return InteractionBatches(labelled_rows(train.interactions), settings.batch_size, settings.seed, place)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> HeldOutRows:
        """Return the held-out rows that have a label.

        Raises:
            DataError: they do not have both labels.
        """
        label = held_out.interactions.label
        if label is None or not bool((label == 1).any()) or not bool((label == 0).any()):
            n = {value: 0 if label is None else int((label == value).sum()) for value in (1, 0)}
            raise DataError(
                f"task=click: expected rows of label 1 and of label 0 in every part, found {n[1]:,} and {n[0]:,} of "
                f"{len(held_out.interactions):,} held-out rows; use another split, or more data"
            )
        return HeldOutRows.build(held_out.interactions, ~label.isnan())

    def loss_of(self, batch: InteractionBatch, generator: torch.Generator) -> Float[Tensor, ""]:
        model = self._learner()
        assert batch.label is not None  # `train_batches` takes rows that have one
        scores, extra = model.score_clicks(batch, generator)
        logits = model.head.logits(scores, batch.position)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), batch.label) + extra

    def validate(self, rows: HeldOutRows) -> Validated:
        model = self._learner()
        vectors = model.vectors()
        self.refuse_divergence(*vectors)
        own, fitted = (model.mixed(*vectors, weight).logits(rows.rows).double() for weight in (0.0, 1.0))
        own, fitted, label = gather_rows(torch.stack([own, fitted, clicked_of(rows.rows).double()], dim=1)).unbind(dim=1)
        clicked = label > 0
        best, weight, calibration = float("inf"), 0.0, fit_calibration(own, clicked)
        for tried in _WEIGHTS if model.has_fitted else [0.0]:
            logits = (1 - tried) * own + tried * fitted
            found = fit_calibration(logits, clicked)
            if (loss := log_loss(logits / found.temperature + found.offset, clicked)) < best:
                best, weight, calibration = loss, tried, found

        def adopt() -> None:
            model.weight_of_fitted.fill_(weight)
            model.head.temperature.fill_(calibration.temperature)
            model.head.offset.fill_(calibration.offset)

        evaluated = self.measure(model.mixed(*vectors, weight).with_calibration(calibration), rows)
        of_users = torch.from_numpy(evaluated.per_user["user_auc"].fill_null(float("nan")).to_numpy(writable=True))
        user_auc = float(gather_rows(of_users[:, None]).nanmean())
        means = self.validated(evaluated).means | {"user_auc": user_auc if user_auc == user_auc else _CHANCE}
        return Validated(means, adopt)

    def settled(self, scorer: TrainedScorer, rows: HeldOutRows) -> TrainedScorer:
        predictor = _predictor(scorer)
        settled: TrainedScorer = predictor.with_calibration(fit_calibration(predictor.logits(rows.rows), clicked_of(rows.rows)))
        return settled

    @torch.no_grad()
    def measure(self, scorer: Scorer, rows: HeldOutRows) -> Evaluated:
        """Return the metrics of each user, and of all rows together. Raises ConfigError for a scorer that does not predict clicks."""
        predictor, held_out = _predictor(scorer), rows.rows
        logits, clicked = predictor.head.calibrated(predictor.logits(held_out)).double(), clicked_of(held_out)
        columns = torch.stack([logits, clicked.double()], dim=1)
        pooled = Pooled(held_out.user_idx, held_out.item_idx, columns, _measures, _events)
        return Evaluated(None, _by_user(held_out.user_idx, logits, clicked), pooled)

    def _learner(self) -> ClickRecommender:
        if not isinstance(self.model, ClickRecommender):
            raise TypeError(f"model: expected one that learns clicks by gradient, found {type(self.model).__name__}")
        return self.model


def _events(columns: Float[Tensor, "n 2"]) -> tuple[Tensor, Tensor]:
    """The predicted probabilities of clicks, and which rows were clicked."""
    return columns[:, 0].sigmoid(), columns[:, 1] > 0


def _measures(columns: Float[Tensor, "n 2"]) -> dict[str, float]:
    """The metrics of some rows; the AUC is 0.5 if all of them or none were clicked."""
    logits, clicked = columns[:, 0].contiguous(), columns[:, 1] > 0
    both = bool(clicked.any()) and not bool(clicked.all())
    return {
        "auc": click_auc(logits, clicked) if both else _CHANCE,
        "log_loss": log_loss(logits, clicked),
        "calibration_error": ece_equal_mass(logits.sigmoid(), clicked, _N_BINS),
    }


def _by_user(user_idx: Int64[Tensor, " n"], logits: Float[Tensor, " n"], clicked: Bool[Tensor, " n"]) -> pl.DataFrame:
    """The AUC, null for users who clicked on all of their rows or on none, and the log loss of each user, ascending.

    The AUC has two names: `user_auc`, whose mean is reported, and `auc`, by which paired tests compare users.
    """
    users, found = auc_by_user(user_idx.cpu(), logits.cpu(), clicked.cpu())
    signed = torch.where(clicked, logits, -logits).cpu()
    losses = pl.DataFrame({USER_IDX: user_idx.cpu().numpy(), "log_loss": torch.nn.functional.softplus(-signed).numpy()})
    mean_loss = losses.group_by(USER_IDX, maintain_order=True).mean().sort(USER_IDX)["log_loss"]
    auc = pl.Series("auc", found.numpy()).fill_nan(None)
    return pl.DataFrame({USER_IDX: users.numpy(), "auc": auc, "user_auc": auc, "log_loss": mean_loss})


def _predictor(scorer: Any) -> ClickPredictor:
    if not isinstance(scorer, ClickPredictor):
        raise ConfigError(f"task=click: expected a model that predicts clicks, such as model=click_fusion, found {type(scorer).__name__}")
    return scorer
