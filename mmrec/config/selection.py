"""Validate combinations of values that the check of single values cannot detect."""

from omegaconf import DictConfig

from mmrec.config.build import build, target
from mmrec.config.evidence import check_evidence
from mmrec.config.task import check_prediction, set_selection_metric
from mmrec.data.interactions.split_rules import check_ratios
from mmrec.errors import ConfigError


def check_selection(cfg: DictConfig) -> None:
    """Raise ConfigError for ratios that leave nothing to train on, invalid evidence, a model that does not suit the
    task, or an invalid selection metric."""
    check_ratios(*(cfg.split.get(name, 0.0) for name in ("valid_ratio", "test_ratio")))
    check_prediction(cfg)
    set_selection_metric(cfg)
    check_evidence(cfg)
    _check_time(cfg)


def _check_time(cfg: DictConfig) -> None:
    """Raise ConfigError if interests are to decay in a model without histories that have ages, or a name is invalid."""
    if not cfg.get("time"):
        return
    kind = target(cfg, "model")
    if "time" not in getattr(kind, "parts_taken", ()):
        raise ConfigError(f"time: {kind.__name__} does not weight histories by age, only model=fusion does; choose time=none")
    build(cfg, "time")()
