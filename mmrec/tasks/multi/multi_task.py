"""Several tasks at once: one step minimises the weighted sum of the losses of all."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.interleaved import InterleavedBatches, TasksBatch, TasksRows
from mmrec.errors import ConfigError, nearest
from mmrec.metrics.direction import Metric
from mmrec.metrics.full_ranking import Evaluated
from mmrec.models.multimodal.multi_fusion import CLICK, NAMES, NEXT_ITEM, RANKING, RATING, SEARCH, SEVERAL, MultiFusion
from mmrec.models.recommender import Recommender
from mmrec.tasks.click import ClickTask
from mmrec.tasks.multi.gradients import pairwise_cosines, task_gradients
from mmrec.tasks.multi.loss_weights import make_loss_weights
from mmrec.tasks.parameter_groups import Rates, parameter_groups
from mmrec.tasks.ranking import RankingTask
from mmrec.tasks.rating import RatingTask
from mmrec.tasks.search import SearchTask
from mmrec.tasks.task import GROUPS, Task, Validated, gather_rows
from mmrec.types import Scorer

MEAN = "mean_of_tasks"
"""The metric that selects by default: the geometric mean of the first metrics of all tasks."""
OF = [RANKING, SEARCH]
TASKS: dict[str, Callable[..., Task]] = {
    RANKING: RankingTask,
    SEARCH: SearchTask,
    RATING: RatingTask,
    CLICK: ClickTask,
    NEXT_ITEM: partial(RankingTask, history="all"),
}
_OPTIMIZER = partial(torch.optim.AdamW, lr=0.0005, weight_decay=0.3)
_EVERY, _WEIGHT_LR = 10, 0.01
"""The steps between measurements of the gradients, and the learning rate of learned weights of losses."""
STATE = ("loss_weights.", "means.", "cosines.")
"""What the names of the task's own state begin with, which checkpoints contain beside the weights of the model."""


class MultiTask(Task):
    """Minimises `Σ w_t L_t`: every step has a batch of every task, and all tasks read the same item vectors (`MultiFusion`).

    The weights w_t are constants, learned by uncertainty, or set by GradNorm (`mmrec.tasks.multi.loss_weights`). Metrics are those of all
    tasks, as `ranking/ndcg@20`. By default, the epoch is selected by `mean_of_tasks`: the geometric mean of the metrics by which each task
    alone would select, with the reciprocal of those of which lower is better. Whatever value of each metric relative improvements refer to,
    the epoch of the highest geometric mean has the highest mean of their logarithms.

    `train/loss_<task>`, `train/weight_<task>` and `train/cosine_<task>_<task>` are logged once per epoch. The latter is the mean cosine of
    the gradients of two tasks on the shared parameters, of every tenth step: where it is negative, the tasks are in conflict.

    Args:
        model: the model to train.
        of: the tasks.
        tasks: creates each task from its model.
        weights: constants by task, 1 for those without one; or `uncertainty`, or `gradnorm`.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables of the shared items.
        seed: of training.
        groups: optimizer settings of the shared items by role, see `mmrec.tasks.parameter_groups`; those of a head are those of its task.

    Raises:
        ConfigError: a task is unknown or repeated, or a weight is invalid.
    """

    predicts: ClassVar[str] = SEVERAL
    shown: ClassVar[str] = MEAN

    def __init__(
        self,
        model: Recommender,
        of: list[str] = OF,
        tasks: dict[str, Callable[..., Task]] = TASKS,
        weights: dict[str, float] | str | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] = _OPTIMIZER,
        embedding_lr: float = 0.005,
        seed: int = 0,
        groups: Rates = GROUPS,
    ) -> None:
        super().__init__(model, optimizer, embedding_lr, groups, seed)
        if not isinstance(model, MultiFusion):
            raise ConfigError(f"model: expected one with a head for each task, such as model=multi_fusion, found {type(model).__name__}")
        kinds = kinds_of(of, tasks)
        self.parts: dict[str, Task] = {name: make(model=model.head(name)) for name, make in kinds.items()}  # not modules: the model is
        self.selecting = {name: metrics_of(make)[0] for name, make in kinds.items()}
        self.loss_weights = make_loss_weights(of, weights)
        self.pairs = list(combinations(of, 2))
        self.means = _Means([f"loss_{name}" for name in of] + [f"weight_{name}" for name in of])
        self.cosines = _Means([f"cosine_{one}_{other}" for one, other in self.pairs])

    @property
    def multi(self) -> MultiFusion:
        """The model, typed."""
        assert isinstance(self.model, MultiFusion)  # checked by the constructor
        return self.model

    @classmethod
    def metrics(cls, settings: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return `mean_of_tasks`, and the metrics of every task with its name before them."""
        kinds = kinds_of(settings["of"], settings["tasks"])
        make_loss_weights(settings["of"], settings["weights"])
        found = [one._replace(name=f"{name}/{one.name}") for name, make in kinds.items() for one in metrics_of(make)]
        return Metric(MEAN), *found

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> InterleavedBatches:
        """Return batches of all tasks, all of them of the same part."""
        still = place._replace(epoch=partial(int, 0))  # the epoch of each task is set from the step
        return InterleavedBatches({name: one.train_batches(train, settings, still) for name, one in self.parts.items()}, place.epoch)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> TasksRows:
        return TasksRows({name: one.evaluation_set(seen, held_out) for name, one in self.parts.items()})

    def loss_of(self, batch: TasksBatch, generator: torch.Generator) -> Float[Tensor, ""]:
        parts = [(self.parts[name].loss_of(one, generator), one.weight) for name, one in batch.parts.items()]
        losses = torch.stack([loss * weight for loss, weight in parts])
        self._weigh_gradients(losses)
        self.means.add(torch.cat([losses.detach(), self.loss_weights.values()]))
        return self.loss_weights.total(losses)

    def _weigh_gradients(self, losses: Float[Tensor, " n"]) -> None:
        """Adjust the weights by the norms of gradients, and measure their cosines."""
        if not torch.is_grad_enabled():
            return
        if self.loss_weights.needs_norms:
            norms = task_gradients(losses, self._last_shared()).norm(dim=1)
            means = gather_rows(torch.stack([losses.detach(), norms])[None].flatten(1)).mean(dim=0)
            self.loss_weights.adjust(*means.chunk(2))
        if self.pairs and self.global_step % _EVERY == 0:
            self.cosines.add(pairwise_cosines(task_gradients(losses, _trained(self.multi.evidence))))

    def _last_shared(self) -> list[nn.Parameter]:
        """The parameters of the fusion, the last that all tasks share; all shared ones of a fusion without any."""
        return _trained(self.multi.evidence.fusion) or _trained(self.multi.evidence)

    def on_fit_start(self) -> None:
        """Tell the tasks where and by what they are trained."""
        for one in self.parts.values():
            one.to(self.device)
            one.trainer = self.trainer

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        for means in (self.means, self.cosines):
            for name, value in means.taken().items():
                self.log(f"train/{name}", value, sync_dist=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the groups of the shared items, of each head, and of learned weights of losses."""
        evidence = self.multi.evidence
        found, shared = parameter_groups(evidence, self.rates), list(evidence.parameters())
        for name, one in self.parts.items():
            if (head := self.multi.head(name)) is not evidence:
                found += [group for group in parameter_groups(head, one.rates, without=shared) if group["params"]]
        learned = list(self.loss_weights.parameters())
        return found + ([{"params": learned, "lr": _WEIGHT_LR, "weight_decay": 0.0}] if learned else [])

    def validate(self, rows: TasksRows) -> Validated:
        found = {name: one.validate(rows.parts[name]) for name, one in self.parts.items()}
        adopts = [one.adopt for one in found.values() if one.adopt is not None]
        means = {f"{name}/{key}": value for name, one in found.items() for key, value in one.means.items()}
        values = [found[name].means[metric.name] for name, metric in self.selecting.items()]

        def adopt() -> None:
            for choose in adopts:
                choose()

        return Validated({MEAN: geometric_mean(values, list(self.selecting.values()))} | means, adopt)

    def measure(self, scorer: Scorer, rows: Any) -> Evaluated:
        """Each task measures its own head: `parts[name].measure(model.head(name).freeze(), rows)`."""
        raise TypeError("MultiTask measures nothing itself; measure its parts")


class _Means(nn.Module):
    """Means of values over the steps of an epoch. They are in checkpoints, so that a resumed epoch has them all."""

    sums: Tensor
    n: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("sums", torch.zeros(len(self.names)))
        self.register_buffer("n", torch.zeros(()))

    def add(self, values: Float[Tensor, " n"]) -> None:
        """Add the values of a step."""
        self.sums += values
        self.n += 1

    def taken(self) -> dict[str, Tensor]:
        """Return the means by name, and start again; nothing if no step was measured."""
        if not self.n:
            return {}
        means = self.sums / self.n
        self.sums.zero_()
        self.n.zero_()
        return dict(zip(self.names, means, strict=True))


def geometric_mean(values: Sequence[float], metrics: Sequence[Metric]) -> float:
    """Return the geometric mean of the values of some metrics, with the reciprocals of those of which lower is better.

    >>> round(geometric_mean([0.5, 2.0], [Metric("ndcg@10"), Metric("rmse", higher_is_better=False)]), 2)
    0.5
    """
    logs = [(1 if one.higher_is_better else -1) * math.log(max(value, 1e-12)) for value, one in zip(values, metrics, strict=True)]
    return math.exp(sum(logs) / len(logs))


def kinds_of(of: Sequence[str], tasks: Mapping[str, Callable[..., Task]]) -> dict[str, Callable[..., Task]]:
    """Return what creates each of the tasks in `of`. Raises ConfigError for one that is unknown or repeated."""
    if not of:
        raise ConfigError(f"task.of: expected at least one of {', '.join(NAMES)}, found none")
    for name in of:
        if name not in tasks or name not in NAMES:
            raise ConfigError(f"task.of: there is no task `{name}` that can be one of several; {nearest(name, NAMES)}")
        if list(of).count(name) > 1:
            raise ConfigError(f"task.of: `{name}` is repeated; name each task once")
    return {name: tasks[name] for name in of}


def kind_of(make: Callable[..., Task]) -> type[Task]:
    """Return the class of a task, given the class or a partial of it."""
    found = make.func if isinstance(make, partial) else make
    assert isinstance(found, type) and issubclass(found, Task)  # as the configuration is checked
    return found


def metrics_of(make: Callable[..., Task]) -> tuple[Metric, ...]:
    """Return the metrics of a task, given the class or a partial of it."""
    kind, given = kind_of(make), dict(make.keywords) if isinstance(make, partial) else {}
    defaults = {name: one.default for name, one in inspect.signature(kind).parameters.items() if one.default is not one.empty}
    return kind.metrics(defaults | given)


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [one for one in module.parameters() if one.requires_grad]
