"""The command `mmrec pretrain`: train tiny_clip or entity vectors on a dataset, and evaluate them on held-out data."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.config.values import plain
from mmrec.errors import ConfigError
from mmrec.experiment.evidence import open_features
from mmrec.experiment.pretrain import Card, Schedule, pretrain
from mmrec.experiment.pretrain_graph import pretrain_graph
from mmrec.experiment.settings import GraphSettings
from mmrec.files.storage import check_writable
from mmrec.nn.encoders.text import minilm
from mmrec.schemas import PretrainConfig
from mmrec.types import Dataset

_MAX_TEXT_TOKENS = 256


@console_output()
def pretrain_command(cfg: DictConfig) -> Card:
    """Train what the key `pretrain` selects, and return the card that was written. CLIP encodes texts with frozen MiniLM features."""
    check(cfg, PretrainConfig)
    check_writable(Path(cfg.output).parent, "output")
    if cfg.pretrain not in ("clip", "kg"):
        raise ConfigError(f"pretrain: expected clip or kg, found {cfg.pretrain}")
    dataset: Dataset = build(cfg, "data")
    schedule = Schedule(cfg.seed, cfg.epochs, cfg.batch_size, cfg.learning_rate)
    if cfg.pretrain == "kg":
        return pretrain_graph(dataset, GraphSettings(**plain(cfg.graph)), cfg.kge, cfg.embedding_dim, Path(cfg.output), schedule)
    store = open_features(cfg.features.store)
    encoder, cache = minilm(cfg.paths.cache, _MAX_TEXT_TOKENS), Path(cfg.paths.cache)
    return pretrain(dataset, encoder, cache, Path(cfg.output), schedule, store)
