"""The task that a configuration names: what it measures and which metric selects, known before any data are read; and its making."""

from collections.abc import Callable

from omegaconf import DictConfig

from mmrec.config import build, plain, refine, target
from mmrec.data.batches.batch_factory import EvaluationRows
from mmrec.errors import ConfigError, nearest
from mmrec.evaluation.compare.against_baselines import cutoffs
from mmrec.evaluation.measure.evaluate import complete
from mmrec.evaluation.measure.grades import Graded
from mmrec.metrics.full_ranking import Evaluated
from mmrec.metrics.ranking import known_metrics
from mmrec.models.recommender import Recommender
from mmrec.tasks.task import Declared, Task, declared_metrics
from mmrec.types import Scorer

_UNRANKED_K = 20
"""To which place lists are looked at that a task itself does not measure."""


def task_metrics(cfg: DictConfig) -> Declared:
    """Return what the task of a checked configuration measures. Raises ConfigError where `task` names no task."""
    found = _task_class(cfg)
    given = {name: value for name, value in plain(cfg)["task"].items() if not name.startswith("_")}
    return refine("task", lambda: declared_metrics(found, given))


def selecting_metric(cfg: DictConfig) -> str:
    """Return what chooses the epoch, `val/ndcg@20` for instance: what the configuration says, or else the task's own."""
    return task_metrics(cfg).default if cfg.selection.metric is None else cfg.selection.metric


def settle_selection(cfg: DictConfig) -> None:
    """Put the task's own metric where the configuration leaves `selection.metric` open.

    Raises:
        ConfigError: if `selection.metric` is not measured on the validation part.
    """
    cfg.selection.metric = selecting_metric(cfg)
    valid = [f"val/{metric.name}" for metric in task_metrics(cfg).metrics]
    if cfg.selection.metric not in valid:
        raise ConfigError(
            f"selection.metric: `{cfg.selection.metric}` is not computed on the validation part; {nearest(cfg.selection.metric, valid)}"
        )


def largest_k(cfg: DictConfig) -> int:
    """Return the largest cutoff that the task measures at; 20 for one without."""
    return max(cutoffs(metric.name for metric in task_metrics(cfg).metrics), default=_UNRANKED_K)


def tuned_by(cfg: DictConfig) -> str:
    """Return what chooses the settings of baselines: the selecting metric where that is of lists, else ndcg at the largest cutoff."""
    name = selecting_metric(cfg).removeprefix("val/")
    return name if name.partition("@")[0] in known_metrics() else f"ndcg@{largest_k(cfg)}"


def make_task(cfg: DictConfig, model: Recommender) -> Task:
    """Return the task over a model; one that a package adds without a configuration takes `cfg.seed`."""
    given = {"model": model, "optimizer": build(cfg, "optimizer")}
    if _task_class(cfg).takes_loss:
        given["loss"] = build(cfg, "loss")
    if "seed" not in cfg.task:
        given["seed"] = cfg.seed
    return build(cfg, "task")(**given)


def measure_scorer(
    task: Task, scorer: Scorer, rows_of: Callable[[Task], EvaluationRows], graded: Graded | None, with_auc: bool
) -> Evaluated:
    """Return what a task measures of a scorer on the rows that `rows_of` gives for it; of a ranking also what `evaluate.complete` adds."""
    rows = rows_of(task)
    evaluated = task.measure(scorer, rows)
    return evaluated if evaluated.ranking is None else complete(evaluated, scorer, rows, graded, with_auc)


def _task_class(cfg: DictConfig) -> type[Task]:
    found = target(cfg, "task")
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task._target_: expected a class made from mmrec.tasks.task.Task, came `{cfg.task._target_}`")
    return found
