"""The hyperparameter search of a trained model, as configured by `tune`."""

import copy
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config.build import target
from mmrec.config.check import check
from mmrec.config.values import flat, plain
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.tuning.pruning import check_pruner
from mmrec.experiment.tuning.space import ends, read_space
from mmrec.extras import needs
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.schemas import TrainConfig

_NODES = ("model", "fusion", "backbone", "kg_encoder", "loss", "task", "optimizer", "data_module", "trainer")
"""The nodes that a trial may change: neither data nor what is fitted before."""


def searched_space(cfg: DictConfig) -> dict[str, list[Any]]:
    """The search space by dotted key, empty if `tune.minutes` and `tune.fits` are null. Raises ConfigError if it is invalid."""
    if cfg.tune.minutes is None and cfg.tune.get("fits") is None:
        return {}
    check_pruner(cfg.tune.get("pruner", "none"))
    kind = target(cfg, "model")
    if isinstance(kind, type) and issubclass(kind, ClosedFormRecommender):
        raise ConfigError(f"tune.minutes: {kind.__qualname__} is fitted in closed form, at the best setting of model.space; leave it null")
    space: dict[str, Any] = dict(flat(plain(cfg.tune)["space"]))
    if not space:
        raise ConfigError("tune.space: expected at least one setting, found none")
    known = [key for key, _ in flat(plain(cfg)) if key.split(".")[0] in _NODES and "._" not in key]
    problems = [f"tune.space.{key}: there is no such setting; {nearest(key, known)}" for key in space if key not in known]
    if problems:
        raise ConfigError("\n".join(problems))
    with needs("tune", "tune.minutes"):
        import optuna  # noqa: F401  (fail now if it is missing; the import takes seconds)
    try:
        read_space(space)
    except ConfigError as error:
        raise ConfigError(f"tune.{error}") from None
    for key, values in space.items():
        for value in ends(values):
            try:
                check(with_values(cfg, {key: value}), TrainConfig)
            except ConfigError as error:
                raise ConfigError(f"tune.space.{error}") from None
    return space


def with_values(cfg: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """A copy of a configuration with other values for some keys."""
    cfg = copy.deepcopy(cfg)
    for key, value in values.items():
        OmegaConf.update(cfg, key, value, merge=False)
    return cfg
