"""Pretrain tiny_clip on the pictures and texts of a catalogue, and evaluate it on held-out pairs."""

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from mmrec.data.features.extract import extract_features
from mmrec.data.pictures.pairs import PicturePairs, hold_out, read_pairs
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.fit import quiet_lightning
from mmrec.files.storage import write_json, write_tensors
from mmrec.files.store import Store
from mmrec.metrics.retrieval import retrieval_chance, retrieval_recall
from mmrec.nn.encoders.clip import TINY_CLIP, TRAINED_ON, TinyClip, clip_config, import_open_clip
from mmrec.nn.encoders.image import preprocessing
from mmrec.tasks.contrastive import ContrastiveTask
from mmrec.terminal import is_terminal
from mmrec.types import TEXT, Dataset, FeatureEncoder

HELD_OUT_SHARE, K, MIN_PAIRS = 0.1, 10, 20
_TEXT_BATCH = 64
_PROBLEMS_SHOWN = 10
Card = dict[str, str | int | float]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """The training schedule."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float


def pretrain(
    dataset: Dataset, text_encoder: FeatureEncoder, cache: Path, output: Path, schedule: Schedule, store: Store | None = None
) -> Card:
    """Train tiny_clip on nine tenths of the pairs, evaluate it on the rest, and write its weights to `output` (safetensors).

    The returned card is also written to `<output>.json`: the data, the schedule, and the fraction of held-out pictures (and texts) whose
    own text (picture) is among the ten nearest, with the chance level. The held-out part selects nothing. Text features are read from and
    written to the `cache` and the `store`.

    Raises:
        DataError: the dataset has too few pairs.
        ConfigError: `output` has another format.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"output: expected a path that ends in .safetensors, found {output}")
    import_open_clip()  # without it nothing is to begin
    start = time.perf_counter()
    pairs = _read(dataset, cache)
    found, _ = extract_features(text_encoder, pairs.texts, cache, _TEXT_BATCH, TEXT, store=store)
    train, held = hold_out(len(pairs), HELD_OUT_SHARE, schedule.seed)
    task = _fit((pairs.pictures[train], found.values[train]), schedule)
    image_features, text_features = task.encode_pairs(pairs.pictures[held], found.values[held], schedule.batch_size)
    card: Card = {
        "architecture": TINY_CLIP,
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        "text_encoder": text_encoder.name,
        "text_encoder_fingerprint": text_encoder.fingerprint,
        **asdict(schedule),
        "n_pairs": len(pairs),
        "n_held_out": len(held),
        f"image_to_text_recall@{K}": round(retrieval_recall(image_features, text_features, K), 4),
        f"text_to_image_recall@{K}": round(retrieval_recall(text_features, image_features, K), 4),
        "chance": round(retrieval_chance(len(held), K), 4),
        "seconds": round(time.perf_counter() - start, 1),
    }
    _write(output, task.model, card)
    return card


def _read(dataset: Dataset, cache: Path) -> PicturePairs:
    pairs, problems = read_pairs(dataset, clip_config(TINY_CLIP)["vision_cfg"]["image_size"], cache)
    _log.info(f"{dataset.name}: {len(pairs):,} of {len(dataset.items):,} items have a picture and a text")
    for problem in problems[:_PROBLEMS_SHOWN]:
        _log.info(f"  item in row {problem.position + 1}: {problem.reason}")
    if len(problems) > _PROBLEMS_SHOWN:
        _log.info(f"  … and {len(problems) - _PROBLEMS_SHOWN:,} more")
    if len(pairs) < MIN_PAIRS:
        raise DataError(f"{dataset.name}: expected at least {MIN_PAIRS} items with a picture and a text, found {len(pairs)}")
    return pairs


def _fit(train: tuple[Tensor, Tensor], schedule: Schedule) -> ContrastiveTask:
    seed, epochs = schedule.seed, schedule.epochs
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(TensorDataset(*train), min(schedule.batch_size, len(train[0])), shuffle=True, drop_last=True, generator=order)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TinyClip(train[1].shape[1])
    config = preprocessing(TINY_CLIP, None)
    task = ContrastiveTask(model, config["mean"], config["std"], schedule.learning_rate, epochs * len(loader), seed)
    quiet_lightning()
    trainer = Trainer(
        max_epochs=epochs,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=is_terminal(),
        callbacks=[RichProgressBar() if is_terminal() else _SomeEpochs()],
        gradient_clip_val=1.0,
    )
    trainer.fit(task, loader)
    return task


def _write(output: Path, model: torch.nn.Module, card: Card) -> None:
    weights = {name: value.contiguous() for name, value in model.cpu().state_dict().items()}
    # A single key, since safetensors writes several in arbitrary order, which would not be reproducible.
    write_tensors(output, weights, {TRAINED_ON: str(card["data"])})
    write_json(output.with_suffix(".json"), card)
    _log.info(
        f"held-out image-to-text recall@{K} {card[f'image_to_text_recall@{K}']:.3f}, by chance {card['chance']:.3f} "
        f"({card['n_held_out']} pairs); {card['seconds']} s; weights: {output}"
    )


class _SomeEpochs(Callback):
    """Logs every tenth epoch if there is no terminal for a progress bar."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % 10 == 0:
            _log.info(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: loss {trainer.callback_metrics['train/loss']:.3f}")
