"""The command `mmrec pretrain`: train tiny_clip, entity vectors or a text encoder on a dataset, and evaluate it on held-out data."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.config.values import plain
from mmrec.errors import ConfigError
from mmrec.experiment.encoders.pretrain_text import pretrain_text
from mmrec.experiment.encoders.pretrain_text_pairs import pretrain_text_pairs
from mmrec.experiment.encoders.robust_pictures import train_robust
from mmrec.experiment.evidence import open_features
from mmrec.experiment.pretrain import Card, Schedule, pretrain
from mmrec.experiment.pretrain_graph import pretrain_graph
from mmrec.experiment.settings import GraphSettings
from mmrec.files.storage import check_writable
from mmrec.nn.attacks.projected_gradient import PictureAttack
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.nn.encoders.text import BertTextEncoder, minilm
from mmrec.schemas import PretrainConfig
from mmrec.types import IMAGE, TEXT, Dataset

_MAX_TEXT_TOKENS = 256


@console_output()
def pretrain_command(cfg: DictConfig) -> Card:
    """Train what the key `pretrain` selects, and return the card that was written. CLIP encodes texts with frozen MiniLM features."""
    check(cfg, PretrainConfig)
    check_writable(Path(cfg.output).parent, "output")
    if cfg.pretrain not in ("clip", "robust_clip", "kg", "text", "text_pairs"):
        raise ConfigError(f"pretrain: expected clip, robust_clip, kg, text or text_pairs, found {cfg.pretrain}")
    dataset: Dataset = build(cfg, "data")
    schedule = Schedule(cfg.seed, cfg.epochs, cfg.batch_size, cfg.learning_rate)
    if cfg.pretrain == "kg":
        return pretrain_graph(dataset, GraphSettings(**plain(cfg.graph)), cfg.kge, cfg.embedding_dim, Path(cfg.output), schedule)
    if cfg.pretrain in ("text", "text_pairs"):
        encoder = build(cfg, f"encoders.{TEXT}")
        if not isinstance(encoder, BertTextEncoder):
            raise ConfigError(
                f"encoders.text._target_: pretrain={cfg.pretrain} needs an encoder of transformers, which {encoder.name} is not"
            )
        return (pretrain_text if cfg.pretrain == "text" else pretrain_text_pairs)(dataset, encoder, Path(cfg.output), schedule)
    if cfg.pretrain == "robust_clip":
        image_encoder, attack = build(cfg, f"encoders.{IMAGE}"), PictureAttack(cfg.epsilon_255, cfg.steps)
        if not isinstance(image_encoder, ClipImageEncoder):
            raise ConfigError(f"encoders.image._target_: expected an encoder of open_clip, found {image_encoder.name}")
        return train_robust(dataset, image_encoder, Path(cfg.paths.cache), Path(cfg.output), schedule, attack)
    store = open_features(cfg.features.store)
    cache = Path(cfg.paths.cache)
    return pretrain(dataset, minilm(cfg.paths.cache, _MAX_TEXT_TOKENS), cache, Path(cfg.output), schedule, store)
