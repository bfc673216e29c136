"""Validate combinations of values that the check of single values cannot detect, and set values that depend on others."""

from omegaconf import DictConfig

from mmrec.argument_errors import name_key_in_errors
from mmrec.config.build import build, target
from mmrec.config.evidence import check_evidence
from mmrec.config.task import check_prediction, set_selection_metric
from mmrec.data.interactions.split_rules import ColdUser, check_ratios
from mmrec.errors import ConfigError
from mmrec.types import USER_TEXT

_N_GIVEN = 3
"""`split.n_given` of users with few interactions, unless it is set."""


def check_selection(cfg: DictConfig) -> None:
    """Raise ConfigError for ratios that leave nothing to train on, invalid evidence, a model that does not suit the
    task, or an invalid selection metric."""
    check_ratios(*(cfg.split.get(name, 0.0) for name in ("valid_ratio", "test_ratio")))
    check_prediction(cfg)
    set_selection_metric(cfg)
    check_evidence(cfg)
    _check_time(cfg)
    _check_few_shot(cfg)
    if cfg.split.get("n_given") and cfg.train_share < 1:
        raise ConfigError("train_share: it would also remove the interactions that split.n_given gives; leave one of them out")


def _check_time(cfg: DictConfig) -> None:
    """Raise ConfigError if interests are to decay in a model without histories that have ages, or a name is invalid."""
    if not cfg.get("time"):
        return
    kind = target(cfg, "model")
    if "time" not in getattr(kind, "parts_taken", ()):
        raise ConfigError(f"time: {kind.__name__} does not weight histories by age, only model=fusion does; choose time=none")
    build(cfg, "time")()


def _check_few_shot(cfg: DictConfig) -> None:
    """Raise ConfigError if users with few items are to be adapted in a model that cannot; set `split.n_given` if it is null."""
    if not cfg.get("few_shot"):
        return
    kind = target(cfg, "model")
    if "few_shot" not in getattr(kind, "parts_taken", ()):
        raise ConfigError(f"few_shot: {kind.__name__} does not adapt users, only model=fusion does; choose few_shot=none")
    if cfg.get("time"):
        raise ConfigError("few_shot: the items of adapted users have no weights by age; choose time=none, or few_shot=none")
    if cfg.evidence.get(USER_TEXT, False):
        raise ConfigError("few_shot: adapted users have no texts; choose evidence.user_text=false, or few_shot=none")
    if cfg.data_module.get("batch_of", "users") != "users":
        raise ConfigError("few_shot: a batch needs all items of its users; choose data_module.batch_of=users, or few_shot=none")
    if str(cfg.split.get("_target_", "")).endswith(f".{ColdUser.name}") and cfg.split.get("n_given") is None:
        cfg.split.n_given = _N_GIVEN
    name_key_in_errors("few_shot", lambda: build(cfg, "few_shot")(embedding_dim=1))
