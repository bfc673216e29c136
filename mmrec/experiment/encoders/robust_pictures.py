"""Adversarial training of an image encoder: changed pictures are to have the vectors that the encoder gives to unchanged ones."""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mmrec.data.pictures.pairs import hold_out, read_pairs
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.pretrain import HELD_OUT_SHARE, MIN_PAIRS, Card, Schedule
from mmrec.files.progress import progress
from mmrec.files.storage import write_json, write_tensors
from mmrec.nn.attacks.projected_gradient import PictureAttack, ascend, attack_pictures
from mmrec.nn.augment import augment_pictures
from mmrec.nn.encoders.clip import TINY_CLIP, TRAINED_ON, build_clip
from mmrec.nn.encoders.image import ClipImageEncoder, encode_pixels
from mmrec.types import Dataset

_log = logging.getLogger(__name__)


def train_robust(dataset: Dataset, encoder: ClipImageEncoder, cache: Path, output: Path, schedule: Schedule, attack: PictureAttack) -> Card:
    """Train a CLIP image encoder against projected gradient ascent, and write its weights to `output` (safetensors).

    Minimises `‖φ(x + δ) - φ₀(x)‖² + ‖φ(x) - φ₀(x)‖²` over the pictures x of a catalogue, where φ₀ is the encoder before, and δ is found by
    `attack.steps` steps of gradient ascent on the first term within `attack.epsilon_255` (unsupervised adversarial fine-tuning, FARE,
    Schlarmann et al. 2024, eq. 4, with the second term to preserve vectors of unchanged pictures). Labels and interactions are not used.
    Pictures are augmented. Batch normalisation keeps its statistics.

    The returned card is also written to `<output>.json`: the mean cosine of held-out pictures with φ₀ of the unchanged picture, unchanged
    and under attack, by the encoder before and after. The held-out part selects nothing.

    Args:
        dataset: a catalogue with pictures.
        encoder: the encoder before.
        cache: the folder of all caches.
        output: the file of the weights.
        schedule: the seed, epochs, batch size and learning rate.
        attack: the size of changes and the number of steps.

    Raises:
        DataError: the dataset has too few pictures.
        ConfigError: `output` has another format, or the encoder is not tiny_clip.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"output: expected a path that ends in .safetensors, found {output}")
    if encoder.architecture != TINY_CLIP or encoder.weights.path is None:
        raise ConfigError(f"encoders.image: expected the weights of tiny_clip in a file, found {encoder.name}")
    start, holder = time.perf_counter(), build_clip(TINY_CLIP, encoder.weights.path)
    pairs, _ = read_pairs(dataset, int(encoder.preprocessing["size"]), cache)
    if len(pairs) < MIN_PAIRS:
        raise DataError(f"{dataset.name}: expected at least {MIN_PAIRS} items with a picture and a text, found {len(pairs)}")
    train, held = hold_out(len(pairs), HELD_OUT_SHARE, schedule.seed)
    _log.info(f"{dataset.name}: {len(train):,} pictures to train on, {len(held):,} held out")
    before, after = _Vectors(encoder.frozen.model, encoder), _Vectors(holder.get_submodule("visual").eval(), encoder)
    _fit(before, after, pairs.pictures[train], schedule, attack)
    card: Card = {
        "architecture": TINY_CLIP,
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        "trained_from": encoder.weights.hash,
        **asdict(schedule),
        "epsilon_255": attack.epsilon_255,
        "steps": attack.steps,
        "measured_steps": max(attack.steps, _MEASURED_STEPS),
        "n_pictures": len(pairs),
        "n_held_out": len(held),
    }
    measured = replace(attack, steps=max(attack.steps, _MEASURED_STEPS))  # as strong as attacks are measured with
    for name, model in (("before", before), ("after", after)):
        found = _cosines(before, model, pairs.pictures[held], schedule, measured)
        card |= {f"{kind}_{name}": round(value, 4) for kind, value in found.items()}
    card["seconds"] = round(time.perf_counter() - start, 1)
    write_tensors(output, {name: one.contiguous() for name, one in holder.state_dict().items()}, {TRAINED_ON: f"attacked {dataset.name}"})
    write_json(output.with_suffix(".json"), card)
    _log.info(
        f"cosine of held-out pictures with their vectors before: {card['clean_after']:.3f} unchanged, {card['attacked_after']:.3f} under "
        f"attack, before training {card['attacked_before']:.3f}; {card['seconds']} s; weights: {output}"
    )
    return card


_MEASURED_STEPS = 20


class _Vectors:
    """The vectors of pixels by an image model."""

    def __init__(self, model: nn.Module, encoder: ClipImageEncoder) -> None:
        self.model, self.mean, self.std = model, encoder.preprocessing["mean"], encoder.preprocessing["std"]

    def __call__(self, pixels: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch dim"]:
        return encode_pixels(self.model, pixels, self.mean, self.std)


def _fit(before: _Vectors, after: _Vectors, pictures: UInt8[Tensor, "n 3 size size"], schedule: Schedule, attack: PictureAttack) -> None:
    parameters = [one.requires_grad_() for one in after.model.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, weight_decay=0.0)
    generator, radius = torch.Generator().manual_seed(schedule.seed), attack.epsilon_255 / 255
    size = min(schedule.batch_size, len(pictures))
    n_steps = schedule.epochs * (len(pictures) // size)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.learning_rate, n_steps + 1, pct_start=0.1)
    for _ in progress(range(schedule.epochs), "robust_clip", schedule.epochs):
        for group in torch.randperm(len(pictures), generator=generator).split(size):
            if len(group) < size:
                continue
            clean = augment_pictures(pictures[group], generator)
            with torch.no_grad():
                wanted = before(clean)
            changed = (clean + radius * (2 * torch.rand(clean.shape, generator=generator) - 1)).clamp(0, 1)
            for _ in range(attack.steps):
                changed = ascend(changed, clean, after, _Distance(wanted), radius, 2.5 * radius / attack.steps)
            optimizer.zero_grad()
            vectors = after(torch.cat([changed, clean]))
            (_Distance(wanted.repeat(2, 1))(vectors).sum() / size).backward()
            optimizer.step()
            rates.step()
    after.model.requires_grad_(False)


class _Distance:
    """The squared distances to given vectors."""

    def __init__(self, wanted: Float[Tensor, "batch dim"]) -> None:
        self.wanted = wanted

    def __call__(self, vectors: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        return (vectors - self.wanted).square().sum(dim=1)


def _cosines(
    before: _Vectors, model: _Vectors, pictures: UInt8[Tensor, "n 3 size size"], schedule: Schedule, attack: PictureAttack
) -> dict[str, float]:
    """The mean cosines with the vectors before, of unchanged and of attacked pictures."""
    generator, sums = torch.Generator().manual_seed(schedule.seed), {"clean": 0.0, "attacked": 0.0}
    for group in pictures.split(schedule.batch_size):
        with torch.no_grad():
            wanted = before(group.float() / 255)
        attacked = attack_pictures(group, model, _Distance(wanted), attack, generator)
        with torch.no_grad():
            for kind, shown in (("clean", group), ("attacked", attacked)):
                sums[kind] += float((model(shown.float() / 255) * wanted).sum())
    return {kind: value / len(pictures) for kind, value in sums.items()}
