"""`mmrec pretrain`: trains tiny_clip on a catalogue's own pictures and texts, and says how well it matches pairs it has not seen."""

import logging
import time
from pathlib import Path

import open_clip
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import RichProgressBar
from omegaconf import DictConfig
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from mmrec.cli.prepare import say
from mmrec.config import PretrainConfig, build, check
from mmrec.data.features import Problem
from mmrec.data.pairs import PicturePairs, hold_out, read_pairs
from mmrec.data.storage import write_json, write_tensors
from mmrec.errors import ConfigError, DataError
from mmrec.metrics.retrieval import retrieval_chance, retrieval_recall
from mmrec.nn.encoders.clip import TINY_CLIP, build_clip, clip_config
from mmrec.nn.encoders.image import TRAINED_ON, preprocessing
from mmrec.tasks.contrastive import ContrastiveTask
from mmrec.types import Dataset

HELD_OUT_SHARE, K = 0.1, 10
MIN_PAIRS = 20

Card = dict[str, str | int | float]


def pretrain_command(cfg: DictConfig) -> Card:
    """Trains on the configured dataset; returns what `pretrain` returns."""
    check(cfg, PretrainConfig)
    dataset: Dataset = build(cfg, "data")
    return pretrain(dataset, Path(cfg.output), cfg.seed, cfg.epochs, cfg.batch_size, cfg.learning_rate)


def pretrain(dataset: Dataset, output: Path, seed: int, epochs: int, batch_size: int, learning_rate: float) -> Card:
    """Trains tiny_clip on nine tenths of the pairs, measures it on the rest, and writes its weights to `output` (safetensors).

    Beside them `<output>.json`, the card that is also returned: what it was trained on, for how long, and the share of held-out pictures
    (and texts) whose own text (picture) is among the ten nearest, with what chance would give. Raises DataError where the dataset has too
    few pairs and ConfigError for an output of another format.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"output: expected a path that ends in .safetensors, came {output}")
    start = time.perf_counter()
    pairs = _read(dataset)
    train_rows, held_rows = hold_out(len(pairs), HELD_OUT_SHARE, seed)
    train, held = _tensors(pairs.rows(train_rows)), _tensors(pairs.rows(held_rows))
    task = _fit(train, seed, epochs, min(batch_size, len(train_rows)), learning_rate)
    images, texts = task.encode_pairs(held[0], held[1][:, 0], batch_size)
    card: Card = {
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        "architecture": TINY_CLIP,
        "seed": seed,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "n_pairs": len(pairs),
        "n_held_out": len(held_rows),
        f"image_to_text_recall@{K}": round(retrieval_recall(images, texts, K), 4),
        f"text_to_image_recall@{K}": round(retrieval_recall(texts, images, K), 4),
        "chance": round(retrieval_chance(len(held_rows), K), 4),
        "seconds": round(time.perf_counter() - start, 1),
    }
    weights = {name: value.contiguous() for name, value in task.model.cpu().state_dict().items()}
    write_tensors(output, weights, {TRAINED_ON: dataset.name, "architecture": TINY_CLIP})
    write_json(output.with_suffix(".json"), card)
    say(
        f"held-out image-to-text recall@{K} {card[f'image_to_text_recall@{K}']:.3f}, chance {card['chance']:.3f} "
        f"({len(held_rows)} pairs); {card['seconds']} s; weights: {output}"
    )
    return card


def _read(dataset: Dataset) -> PicturePairs:
    pairs, problems = read_pairs(dataset, clip_config(TINY_CLIP)["vision_cfg"]["image_size"])
    say(f"{dataset.name}: {len(pairs):,} of {len(dataset.items):,} items have a picture and a text")
    _say_problems(problems)
    if len(pairs) < MIN_PAIRS:
        raise DataError(f"{dataset.name}: expected at least {MIN_PAIRS} items with a picture and a text, found {len(pairs)}")
    return pairs


def _say_problems(problems: list[Problem], shown: int = 10) -> None:
    for problem in problems[:shown]:
        say(f"  item in row {problem.position + 1}: {problem.reason}")
    if len(problems) > shown:
        say(f"  … and {len(problems) - shown:,} more")


def _tensors(pairs: PicturePairs) -> tuple[Tensor, Tensor]:
    """Pictures and the tokens of every view: (n, 3, size, size) uint8 and (n, n_views, context) int64."""
    tokenizer = open_clip.SimpleTokenizer(context_length=clip_config(TINY_CLIP)["text_cfg"]["context_length"])
    return pairs.pictures, torch.stack([tokenizer(list(views)) for views in pairs.texts])


def _fit(train: tuple[Tensor, Tensor], seed: int, epochs: int, batch_size: int, learning_rate: float) -> ContrastiveTask:
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(TensorDataset(*train), batch_size, shuffle=True, drop_last=True, generator=order)
    config = preprocessing(TINY_CLIP, None)
    model = build_clip(TINY_CLIP, None, seed).train().requires_grad_(True)
    task = ContrastiveTask(model, config["mean"], config["std"], learning_rate, epochs * len(loader), seed)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its tips and its list of devices found
    trainer = Trainer(
        max_epochs=epochs,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=Console().is_terminal,
        callbacks=[RichProgressBar()] if Console().is_terminal else [],
        gradient_clip_val=1.0,
    )
    trainer.fit(task, loader)
    return task
