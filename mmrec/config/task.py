"""The task that a configuration names: what it measures and which metric selects, known before any data are read; and its making."""

from functools import partial

from omegaconf import DictConfig

from mmrec.config.build import build, target
from mmrec.config.values import plain
from mmrec.errors import ConfigError, nearest
from mmrec.models.recommender import Recommender
from mmrec.refusals import refine
from mmrec.tasks.task import Declared, Task, declared_metrics


def task_metrics(cfg: DictConfig) -> Declared:
    """Return what the task of a checked configuration measures. Raises ConfigError where `task` names no task."""
    found = _task_class(cfg)
    given = {name: value for name, value in plain(cfg)["task"].items() if not name.startswith("_")}
    return refine("task", partial(declared_metrics, found, given))


def selecting_metric(cfg: DictConfig) -> str:
    """Return what chooses the epoch, `val/ndcg@20` for instance: what the configuration says, or else the task's own."""
    return task_metrics(cfg).default if cfg.selection.metric is None else str(cfg.selection.metric)


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


def make_task(cfg: DictConfig, model: Recommender) -> Task:
    """Return the task over a model; one that a package adds without a configuration takes `cfg.seed`."""
    given = {"model": model, "optimizer": build(cfg, "optimizer")}
    if _task_class(cfg).takes_loss:
        given["loss"] = build(cfg, "loss")
    if "seed" not in cfg.task:
        given["seed"] = cfg.seed
    task: Task = build(cfg, "task")(**given)
    return task


def _task_class(cfg: DictConfig) -> type[Task]:
    found = target(cfg, "task")
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task._target_: expected a class made from mmrec.tasks.task.Task, came `{cfg.task._target_}`")
    return found
