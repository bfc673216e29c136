"""The reranking methods of a configuration: nodes with a `_target_` below `rerank`, by name and in the order in which they were named."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mmrec.config.build import build
from mmrec.config.values import plain
from mmrec.errors import ConfigError
from mmrec.rerank.reranker import Reranker
from mmrec.type_hints import fits, type_name

if TYPE_CHECKING:
    from mmrec.experiment.run.frontier import FrontierSettings


def rerankers(cfg: DictConfig) -> list[Reranker]:
    """The methods of `mmrec recommend rerank=[…]`, of which each takes the list of the one before."""
    return [_build(cfg, name) for name in _methods(cfg)]


def frontier_settings(cfg: DictConfig) -> "FrontierSettings":
    """The settings of `mmrec evaluate rerank=[…]`: every method with each trade-off, or once if it has none."""
    from mmrec.experiment.run.frontier import FrontierSettings, Trial  # recommending does not need it

    for key, kind in (("k", int), ("max_loss", float), ("trade_offs", list[float])):
        if not fits(value := plain(cfg)["rerank"].get(key), kind):
            raise ConfigError(f"rerank.{key}: expected {type_name(kind)}, found `{value}`")
    trade_offs = sorted({0.0, *map(float, cfg.rerank.trade_offs)})
    trials = [
        Trial(name, trade_off, _build(cfg, name, **({} if trade_off is None else {"trade_off": trade_off})))
        for name in _methods(cfg)
        for trade_off in (trade_offs if "trade_off" in cfg.rerank[name] else [None])
    ]
    return FrontierSettings(trials, cfg.rerank.k, cfg.rerank.max_loss)


def _methods(cfg: DictConfig) -> list[str]:
    return [name for name, node in plain(cfg)["rerank"].items() if isinstance(node, dict) and "_target_" in node]


def _build(cfg: DictConfig, name: str, **arguments: float) -> Reranker:
    made = build(cfg, f"rerank.{name}", **arguments)
    if not isinstance(made, Reranker):
        raise ConfigError(f"rerank.{name}._target_: expected a Reranker, found `{cfg.rerank[name]._target_}`")
    return made
