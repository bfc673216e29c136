"""The base class of tasks: their batches, training step, metrics with directions, and evaluation of a model."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import polars as pl
import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchSettings, EvaluationRows, Place, SplitPart
from mmrec.data.batches.loader import StepBatches
from mmrec.errors import ConfigError, DataError
from mmrec.metrics.direction import Metric, lower_of, sign
from mmrec.metrics.full_ranking import Evaluated
from mmrec.models.auxiliary import AuxiliaryLoss, auxiliary_of_step
from mmrec.models.recommender import RANKS, EpochRecommender, Recommender, TrainedScorer
from mmrec.tasks.encoder_training import allocate_ranks, hold_encoders, rank_states, restore_ranks, start_ranks, warm_up
from mmrec.tasks.parameter_groups import TABLES, Rates, check_rates, parameter_groups
from mmrec.tasks.sharded import gather_tables, shard_tables
from mmrec.tasks.training.rates import judged_value, planned_steps, set_rates
from mmrec.tasks.training.schedules import ConstantRate, PlateauRate, Schedule
from mmrec.types import USER_IDX, Scorer

StepLosses = Callable[[Any, torch.Generator], Sequence[AuxiliaryLoss]]
"""Computes losses that are added to that of the task, from the batch of a step and a generator."""
GROUPS: Rates = {TABLES: {"weight_decay": 0.0}}
"""The default optimizer settings by role of parameters."""


class Validated(NamedTuple):
    """The result of a validation."""

    means: dict[str, float]
    """Values by the names of `Task.metrics`, over all processes."""
    adopt: Callable[[], None] | None = None
    """Applies the choices of the validation to the model once it is complete, because a signal may interrupt it before."""


class Task(LightningModule, ABC):
    """What a model learns, and how it is evaluated. Only the task knows the content of its batches and its metrics.

    A new task takes what it needs in its constructor, passes `model`, `optimizer`, `embedding_lr`, `groups` and `seed` on, and defines:

        metrics(settings)              the metrics with directions; the first selects the epoch, unless `selection.metric` is set
        train_batches(train, …)        the training batches: NamedTuples of tensors, each with a scalar `weight`
        evaluation_set(seen, held_out) the rows to validate and test on
        loss_of(batch, generator)      the mean loss of a batch
        validate(rows)                 the metrics after an epoch, often `self.validated(self.measure(self.model.freeze(), rows))`
        measure(scorer, rows)          a table with a row per user and a column per metric, and the ranking, if there is one

    The base class provides parameter groups, seeds, exact resumption of the epoch's loss, distributed training, and logging of `train/loss`
    once per epoch, of auxiliary losses beside it, and of `val/<metric>` after it.

    Args:
        model: the model to train.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables.
        groups: further optimizer settings by role (`tables`, `networks`, `encoders`), `lr` and `weight_decay`. None: `GROUPS`.
        seed: of training.
    """

    takes_loss: ClassVar[bool] = False
    """Whether the constructor takes `loss`, given by the configuration group `loss`."""
    predicts: ClassVar[str] = RANKS
    """What the scores of its models and baselines stand for, see `Recommender.predicts`."""
    columns: ClassVar[tuple[str, ...]] = ()
    """The optional columns of the interactions that it needs, such as `rating`."""
    shown: ClassVar[str] = ""
    """The prefix of metric names that the progress bar shows."""

    def __init__(
        self,
        model: Recommender,
        optimizer: Callable[..., torch.optim.Optimizer],
        embedding_lr: float,
        groups: Rates | None,
        seed: int,
    ) -> None:
        super().__init__()
        if embedding_lr < 0:
            raise ValueError(f"embedding_lr: expected at least 0, found {embedding_lr}")
        self.groups = GROUPS if groups is None else groups
        check_rates(self.groups, "task.groups")
        if "lr" in self.groups.get(TABLES, {}):
            raise ValueError(f"task.groups.{TABLES}.lr: set task.embedding_lr instead")
        self.model, self.optimizer, self.embedding_lr, self.seed = model, optimizer, embedding_lr, seed
        self.step_losses: list[StepLosses] = []
        """What is added to the loss of each step, beside the auxiliary losses of the model."""
        self.schedule: Schedule = ConstantRate()
        """The factor of all learning rates."""
        self._losses: Tensor | float = 0.0  # of this process in this epoch; not a buffer, as DDP would synchronise it
        self._n_losses = 0

    @classmethod
    @abstractmethod
    def metrics(cls, settings: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return the metrics of a task with these arguments, before any data are read. The first one selects by default."""

    @abstractmethod
    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> StepBatches:
        """Return the training batches, each a pure function of seed, epoch and step."""

    @abstractmethod
    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationRows:
        """Return the evaluation set of a held-out part, given all parts before it."""

    @abstractmethod
    def loss_of(self, batch: Any, generator: torch.Generator) -> Float[Tensor, ""]:
        """Return the mean loss of a batch. Randomness comes from `generator`, which is on the CPU, or from torch's global generator."""

    @abstractmethod
    def validate(self, rows: Any) -> Validated:
        """Return the metrics on this process's part of the validation rows, reduced over all processes."""

    @abstractmethod
    def measure(self, scorer: Scorer, rows: Any) -> Evaluated:
        """Return the per-user results of a scorer on an evaluation set."""

    def validated(self, evaluated: Evaluated) -> Validated:
        """Return the means over the users (or the metrics over all rows) of all processes, in an order independent of their number."""
        if (pooled := evaluated.pooled) is not None:
            return Validated(pooled.metrics(gather_rows(pooled.columns)))
        frame = evaluated.per_user.drop(USER_IDX)
        values = gather_rows(torch.from_numpy(frame.cast(pl.Float64).to_numpy(writable=True)).to(self.device))
        return Validated(dict(zip(frame.columns, values.mean(dim=0).tolist(), strict=True)))

    def scorer_on(self, scorer: Scorer, rows: Any) -> Scorer:
        """Return what scores the users of an evaluation set as the task wants them represented; `measure` uses it."""
        return scorer

    def settled(self, scorer: TrainedScorer, rows: Any) -> TrainedScorer:
        """Return a fitted scorer with what validation chooses for it besides hyperparameters; `validate` does so for a trained model."""
        return scorer

    @property
    def rates(self) -> Rates:
        """The optimizer settings by role, with the learning rate of embedding tables."""
        return {**self.groups, TABLES: {"lr": self.embedding_lr, **self.groups.get(TABLES, {})}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups for the optimizer."""
        return parameter_groups(self, self.rates)

    def configure_model(self) -> None:
        """Shard the embedding tables if the trainer's strategy requires it."""
        if self.device_mesh is not None:
            shard_tables(self.model, self.device_mesh["tensor_parallel"])

    def on_fit_end(self) -> None:
        gather_tables(self.model)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = self.optimizer(params=self.parameter_groups())
        self._options = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
        return optimizer

    def on_train_start(self) -> None:
        """Replace the optimizer options restored from a checkpoint by the current settings, for example another learning rate."""
        for group, options in zip(self.trainer.optimizers[0].param_groups, self._options, strict=True):
            group.update(options)
        self._n_steps = planned_steps(self.schedule, self.trainer)
        start_ranks(self.model, self.trainer)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer | LightningOptimizer, optimizer_closure: Any = None
    ) -> None:
        """Make an optimizer step with the learning rates of the schedule, and let AdaLoRA reallocate ranks after it."""
        warm_up(self.trainer.optimizers[0], self.trainer)
        set_rates(self.trainer.optimizers[0], self._options, self.schedule.factor(self.trainer.global_step, self._n_steps))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        allocate_ranks(self.model, self.trainer)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        hold_encoders(self.model, self.current_epoch)
        if batch_idx == 0 and isinstance(self.model, EpochRecommender):  # on_train_epoch_start also runs when resuming mid-epoch
            self.model.start_epoch(torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + self.current_epoch))

    def training_step(self, batch: Any, batch_idx: int) -> Float[Tensor, ""]:
        step_seed = (self.seed + 1) * 1_000_003 + self.trainer.fit_loop.epoch_loop.total_batch_idx
        _seed_dropout(step_seed, self.device)  # dropout is a function of (seed, step) too: equal in all processes and after resuming
        generator = torch.Generator().manual_seed(step_seed)
        loss: Tensor = self.loss_of(batch, generator) * batch.weight
        self._losses, self._n_losses = self._losses + loss.detach(), self._n_losses + 1
        added = [*auxiliary_of_step(self.model, generator), *(one for of_step in self.step_losses for one in of_step(batch, generator))]
        for name, value, weight in added:
            self.log(f"train/{name}", value.detach(), on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
            loss = loss + weight * value
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/loss", torch.as_tensor(self._losses / self._n_losses), prog_bar=True, sync_dist=True)
        self._losses, self._n_losses = 0.0, 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the losses of the epoch so far, by process."""
        sums = self._losses_of_all if self.trainer.validating else self._gather_losses()
        checkpoint["epoch_loss"] = {"sums": sums, "n": self._n_losses}
        checkpoint["ranks"] = rank_states(self.model)
        if isinstance(self.schedule, PlateauRate):
            checkpoint["schedule"] = self.schedule.state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        sums, self._n_losses = checkpoint["epoch_loss"]["sums"], checkpoint["epoch_loss"]["n"]
        is_as_before = len(sums) == self.trainer.world_size
        device = self.trainer.strategy.root_device
        self._losses = (sums[self.trainer.global_rank] if is_as_before else sums.mean()).to(device)
        restore_ranks(self.model, checkpoint.get("ranks", {}), device)
        if isinstance(self.schedule, PlateauRate) and "schedule" in checkpoint:
            self.schedule.restore(checkpoint["schedule"])

    def on_validation_start(self) -> None:
        self._losses_of_all = self._gather_losses()  # now, since processes do not communicate during validation

    def _gather_losses(self) -> Float[Tensor, " processes"]:
        return gather_rows(torch.as_tensor(self._losses, device=self.device, dtype=torch.float32).reshape(1, 1)).flatten()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._validated = self.validate(batch)

    def on_validation_epoch_end(self) -> None:
        if self._validated.adopt is not None:
            self._validated.adopt()
        if isinstance(self.schedule, PlateauRate) and not self.trainer.sanity_checking:
            self.schedule.observe(judged_value(self._validated.means, self.trainer))
        for name, value in self._validated.means.items():
            self.log(f"val/{name}", value, prog_bar=name.startswith(self.shown), rank_zero_only=False)

    def refuse_divergence(self, *vectors: Tensor) -> None:
        """Raise ConfigError if the vectors that a model scores with are not finite."""
        if not all(part.isfinite().all() for part in vectors):
            raise ConfigError(
                f"training diverged in epoch {self.current_epoch}: lower optimizer.lr, or task.embedding_lr, now {self.embedding_lr}"
            )


class Declared(NamedTuple):
    """The metrics of a configured task."""

    metrics: tuple[Metric, ...]

    @property
    def lower_is_better(self) -> list[str]:
        """Names of the metrics for which lower is better."""
        return lower_of(self.metrics)

    @property
    def default(self) -> str:
        """Name under which the default selection metric is logged, e.g. `val/ndcg@20`."""
        return f"val/{self.metrics[0].name}"

    def sign(self, name: str) -> int:
        """Return 1 where a higher value of a metric is better, else -1."""
        return sign(name, self.lower_is_better)


def check_columns(task: type[Task], columns: Sequence[str]) -> None:
    """Raise DataError if the interactions lack a column that a task needs."""
    for name in task.columns:
        if name not in columns:
            found = ", ".join(f"`{one}`" for one in columns if not one.startswith("__"))
            raise DataError(
                f"{task.__name__} needs a column `{name}`, the interactions have {found}; name the column that holds it with "
                f"data.columns.{name}=…, or choose another task"
            )


def declared_metrics(task: type[Task], settings: Mapping[str, Any]) -> Declared:
    """Return the metrics that a task computes with the given settings; constructor defaults stand for settings that are not given."""
    defaults = {name: one.default for name, one in inspect.signature(task).parameters.items() if one.default is not one.empty}
    return Declared(task.metrics(defaults | dict(settings)))


def _seed_dropout(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of the given device only; `torch.manual_seed` seeds every device type, in milliseconds."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def gather_rows(rows: Float[Tensor, "n columns"]) -> Float[Tensor, "total columns"]:
    """Gather the rows of all processes in the order of their ranks; processes may have different numbers of rows, also none.

    Args:
        rows: this process's rows `(n, columns)`.

    Returns:
        The rows of all processes `(total, columns)`; `rows` itself without distributed training.
    """
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return rows
    world = torch.distributed.get_world_size()
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world)]
    torch.distributed.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    padded = rows.new_zeros((int(max(counts)), rows.shape[1]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in range(world)]
    torch.distributed.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])
