"""Convert configurations to plain values."""

from collections.abc import Iterator
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from mmrec.experiment.tuning.space import SEARCH

BESIDE_MODELS = SEARCH | {"name", "for_new_items"}
"""The keys of a model's node that are not arguments."""


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as dicts, lists and scalars, with interpolations resolved."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))


def literal(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as dicts, lists and scalars, with interpolations unresolved."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))


def merged(*configs: Any) -> DictConfig:
    """Merge configurations; later ones take precedence."""
    return cast(DictConfig, OmegaConf.merge(*configs))


def flat(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested dicts by dotted keys; lists are leaves."""
    if not isinstance(node, dict):
        yield prefix, node
        return
    for name, child in node.items():
        yield from flat(child, f"{prefix}.{name}" if prefix else str(name))


def read_model(cfg: DictConfig, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the node of a model or baseline into its arguments and other keys: `name`, `space`, `n_trials`, …"""
    node = plain(OmegaConf.select(cfg, key))
    beside = {name: value for name, value in node.items() if name in BESIDE_MODELS}
    return {name: value for name, value in node.items() if name not in beside}, beside
