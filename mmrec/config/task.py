"""The configured task: its metrics and the selecting one, known before any data are read; and its construction."""

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl
from omegaconf import DictConfig, OmegaConf

from mmrec.argument_errors import name_key_in_errors
from mmrec.config.build import build, target
from mmrec.config.values import plain
from mmrec.data.interactions.split import Split
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.settings import PartSettings
from mmrec.models.multimodal.multi_fusion import SEARCH
from mmrec.models.recommender import RANKS, Recommender
from mmrec.models.search.search_model import MATCHES
from mmrec.tasks.multi.multi_task import MultiTask, kind_of, metrics_of
from mmrec.tasks.task import Declared, Task, declared_metrics


def task_metrics(cfg: DictConfig) -> Declared:
    """Return the metrics of the task in a validated configuration. Raises ConfigError if `task` is not a task."""
    found = task_class(cfg)
    given = _arguments(plain(cfg.task))
    if issubclass(found, MultiTask) and "tasks" in given:
        given["tasks"] = {name: _of_several(cfg, name) for name in given["tasks"]}
    return name_key_in_errors("task", partial(declared_metrics, found, given))


def part_settings(cfg: DictConfig, split: Callable[[str], Callable[[pl.DataFrame], Split]]) -> dict[str, PartSettings]:
    """Return the settings of each task of task=multi, in order; none for any other task.

    Args:
        cfg: a validated configuration.
        split: returns the split that the node at a key configures.
    """
    if not issubclass(task_class(cfg), MultiTask):
        return {}
    found = {}
    for name in cfg.task.of:
        make, node, key = _of_several(cfg, name), plain(cfg.task_data).get(name, {}), f"task_data.{name}.split"
        measures = Declared(metrics_of(make))
        batches = {option: value for option, value in node.items() if option not in ("split", "personal")}
        own = split(key) if node.get("split") else None
        found[name] = PartSettings(kind_of(make), measures, measures.default, own, batches)
    return found


def _of_several(cfg: DictConfig, name: str) -> Callable[..., Task]:
    """The class of one of the tasks of task=multi, with its arguments."""
    key = f"task.tasks.{name}"
    found = target(cfg, key)
    if not (isinstance(found, type) and issubclass(found, Task)) or issubclass(found, MultiTask):
        raise ConfigError(f"{key}._target_: expected a class of a single task, found `{OmegaConf.select(cfg, key)._target_}`")
    return partial(found, **_arguments(plain(OmegaConf.select(cfg, key))))


def _arguments(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if not name.startswith("_")}


def selecting_metric(cfg: DictConfig) -> str:
    """Return the metric that selects the epoch, such as `val/ndcg@20`: the configured one, or else the task's default."""
    return task_metrics(cfg).default if cfg.selection.metric is None else str(cfg.selection.metric)


def set_selection_metric(cfg: DictConfig) -> None:
    """Set `selection.metric` to the task's default if it is not configured.

    Raises:
        ConfigError: `selection.metric` is not computed on the validation part.
    """
    cfg.selection.metric = selecting_metric(cfg)
    valid = [f"val/{metric.name}" for metric in task_metrics(cfg).metrics]
    if cfg.selection.metric not in valid:
        raise ConfigError(
            f"selection.metric: `{cfg.selection.metric}` is not computed on the validation part; {nearest(cfg.selection.metric, valid)}"
        )


def make_task(cfg: DictConfig, model: Recommender) -> Task:
    """Create the task with a model; tasks of packages without a configuration get `cfg.seed`. Adds `robust` to it."""
    given = {"model": model, "optimizer": build(cfg, "optimizer")}
    if task_class(cfg).takes_loss:
        given["loss"] = build(cfg, "loss")
    if "seed" not in cfg.task:
        given["seed"] = cfg.seed
    task: Task = build(cfg, "task")(**given)
    if cfg.get("schedule"):
        task.schedule = build(cfg, "schedule")
    if cfg.get("robust"):
        build(cfg, "robust").add_to(task)
    return task


def check_prediction(cfg: DictConfig) -> None:
    """Raise ConfigError if the model's scores are not what the task trains and measures."""
    kind, task = target(cfg, "model"), task_class(cfg)
    if (predicts := predicts_of(kind)) != task.predicts:
        raise ConfigError(
            f"model: {kind.__name__} predicts {predicts}, and {task.__name__} needs a model that predicts {task.predicts}; leave `model=` "
            "out for the default model of the task, or choose another task"
        )


def answers_queries(cfg: DictConfig) -> bool:
    """Return whether queries take the place of users in the run: the task is search, alone or as the only one of several."""
    found = task_class(cfg)
    return found.predicts == MATCHES or (issubclass(found, MultiTask) and list(cfg.task.of) == [SEARCH])


def is_personal(cfg: DictConfig) -> bool:
    """Return whether search knows who asks. Raises ConfigError if `task_data.search.personal` is neither true nor false."""
    value = plain(cfg.task_data).get(SEARCH, {}).get("personal", False)
    if not isinstance(value, bool):
        raise ConfigError(f"task_data.{SEARCH}.personal: expected true or false, found `{value}`")
    return value


def predicts_of(kind: object) -> str:
    """Return what the scores of a model or baseline stand for, see `Recommender.predicts`."""
    return str(getattr(kind, "predicts", RANKS))


def task_class(cfg: DictConfig) -> type[Task]:
    """Return the class of the configured task. Raises ConfigError if it is none."""
    found = target(cfg, "task")
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task._target_: expected a class made from mmrec.tasks.task.Task, found `{cfg.task._target_}`")
    return found
