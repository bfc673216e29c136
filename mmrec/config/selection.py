"""What the check of single values cannot see: a value that does not go with another."""

from omegaconf import DictConfig

from mmrec.config.task import settle_selection
from mmrec.data.features.counterfactual import changes_of
from mmrec.data.interactions.split_rules import check_ratios
from mmrec.errors import ConfigError, nearest
from mmrec.types import CONTENT, OTHERS


def check_selection(cfg: DictConfig) -> None:
    """Only a validation metric that is computed may choose."""
    check_ratios(*(cfg.split.get(name, 0.0) for name in ("valid_ratio", "test_ratio")))
    settle_selection(cfg)
    for name in (*CONTENT, OTHERS):
        if isinstance(change := cfg.evidence.get(name), str) and change not in changes_of(name):
            raise ConfigError(f"evidence.{name}: `{change}` is no value of it; {nearest(change, ('true', 'false', *changes_of(name)))}")
