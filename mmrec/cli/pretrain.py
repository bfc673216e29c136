"""`mmrec pretrain`: trains tiny_clip on a catalogue's own pictures and texts, and says how well it matches pairs it has not seen."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.cli.process.shown import shown
from mmrec.config import build, check
from mmrec.experiment.evidence import open_features
from mmrec.experiment.pretrain import Card, Schedule, pretrain
from mmrec.files.storage import check_writable
from mmrec.nn.encoders.text import minilm
from mmrec.schemas import PretrainConfig
from mmrec.types import Dataset

_MAX_TEXT_TOKENS = 256


@shown()
def pretrain_command(cfg: DictConfig) -> Card:
    """Trains on the configured dataset with MiniLM as the frozen text encoder; returns what `pretrain` returns."""
    check(cfg, PretrainConfig)
    check_writable(Path(cfg.output).parent, "output")
    dataset: Dataset = build(cfg, "data")
    store = open_features(cfg.features.store)
    encoder, cache = minilm(cfg.paths.cache, _MAX_TEXT_TOKENS), Path(cfg.paths.cache)
    schedule = Schedule(cfg.seed, cfg.epochs, cfg.batch_size, cfg.learning_rate)
    return pretrain(dataset, encoder, cache, Path(cfg.output), schedule, store)
