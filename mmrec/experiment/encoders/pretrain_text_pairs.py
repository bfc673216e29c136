"""Contrastive training of a text encoder on the title and the other texts of each item of a catalogue, measured on held-out items."""

import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.data.features.texts import item_texts
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.encoders.pretrain_text import CARD, HELD_OUT_SHARE, MIN_TEXTS
from mmrec.experiment.pretrain import Card, Schedule
from mmrec.files.progress import progress
from mmrec.files.storage import write_folder, write_json
from mmrec.losses import contrastive_loss
from mmrec.metrics.retrieval import retrieval_chance, retrieval_recall
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.text_network import TextNetwork
from mmrec.tasks.contrastive import warmup_cosine
from mmrec.types import Dataset

TEMPERATURE, K = 0.05, 10
"""The temperature of Gao et al. 2021 (SimCSE), and the cutoff of the recall."""
_WEIGHT_DECAY, _WARMUP_SHARE, _AT_ONCE = 0.01, 0.06, 64
_log = logging.getLogger(__name__)
Pair = tuple[list[int], list[int]]
"""The token ids of a title and of the other texts of its item."""


class _Measured(NamedTuple):
    """The results on held-out items."""

    loss: float
    recall: float


def pretrain_text_pairs(dataset: Dataset, encoder: BertTextEncoder, output: Path, schedule: Schedule) -> Card:
    """Draw the title of an item and its other texts together, against those of the other items of a batch, in nine tenths of the items.

    The title is the first of `data.text_columns`. The loss is symmetric InfoNCE. The encoder is written to the folder `output` and used as
    that of `pretrain_text`. The returned card is also written to `OUTPUT/card.json`, with the loss, and the fraction of titles whose own
    text is among the ten nearest, on held-out items before and after. These select nothing.

    Raises:
        DataError: there are too few text columns or pairs.
        ConfigError: `output` holds something else.
    """
    start = time.perf_counter()
    if output.exists() and not (output / CARD).is_file():
        raise ConfigError(f"output: {output} is there, and not made by `mmrec pretrain`; name another folder")
    pairs = [(encoder.prepare(title), encoder.prepare(text)) for title, text in _pairs(dataset)]
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(schedule.seed)).tolist()
    n_held = max(2, int(HELD_OUT_SHARE * len(pairs)))
    held, train = ([pairs[row] for row in part] for part in (order[:n_held], order[n_held:]))
    network = encoder.network()
    before = _measure(network, held)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        _fit(network, train, schedule)
    after = _measure(network, held)
    card: Card = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        **asdict(schedule),
        "n_pairs": len(train),
        "n_held_out": n_held,
        "loss_before": round(before.loss, 4),
        "loss": round(after.loss, 4),
        f"recall@{K}_before": round(before.recall, 4),
        f"recall@{K}": round(after.recall, 4),
        "chance": round(retrieval_chance(n_held, K), 4),
        "seconds": round(time.perf_counter() - start, 1),
    }

    def write(folder: Path) -> None:
        model: Any = network.model
        model.save_pretrained(folder)
        encoder.tokenizer.save_pretrained(folder)
        write_json(folder / CARD, card)

    shutil.rmtree(output, ignore_errors=True)
    write_folder(output, write)
    _log.info(
        f"{n_held:,} held-out items: title-to-text recall@{K} {before.recall:.3f} before, {after.recall:.3f} after; encoder: {output}"
    )
    return card


def _pairs(dataset: Dataset) -> list[tuple[bytes, bytes]]:
    """The distinct pairs of title and other texts, sorted."""
    columns = list(dataset.text_columns)
    if len(columns) < 2:
        raise DataError(f"{dataset.name}: expected at least two text columns, title and others, found {columns}; see data.text_columns")
    titles, others = item_texts(dataset.items, columns[:1]), item_texts(dataset.items, columns[1:])
    found = sorted({(title, other) for title, other in zip(titles, others, strict=True) if title and other})
    if len(found) < MIN_TEXTS:
        raise DataError(f"{dataset.name}: expected at least {MIN_TEXTS} items with a title and another text, found {len(found)}")
    return found


def _fit(network: TextNetwork, pairs: list[Pair], schedule: Schedule) -> None:
    n_steps = schedule.epochs * -(-len(pairs) // schedule.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=_WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, n_steps, _WARMUP_SHARE))
    generator = torch.Generator().manual_seed(schedule.seed)
    network.train()
    for _ in progress(range(schedule.epochs), "pretraining texts", schedule.epochs):
        for chosen in torch.randperm(len(pairs), generator=generator).split(schedule.batch_size):
            batch = [pairs[row] for row in chosen.tolist()]
            optimizer.zero_grad()
            contrastive_loss(_encode(network, batch, 0), _encode(network, batch, 1), 1 / TEMPERATURE).backward()
            optimizer.step()
            rates.step()
    network.eval()


def _encode(network: TextNetwork, pairs: list[Pair], side: int) -> Float[Tensor, "batch dim"]:
    return F.normalize(network([pair[side] for pair in pairs]), dim=1)


@torch.no_grad()
def _measure(network: TextNetwork, pairs: list[Pair]) -> _Measured:
    network.eval()
    groups = [pairs[at : at + _AT_ONCE] for at in range(0, len(pairs), _AT_ONCE)]
    titles, texts = (torch.cat([_encode(network, group, side) for group in groups]) for side in (0, 1))
    return _Measured(contrastive_loss(titles, texts, 1 / TEMPERATURE).item(), retrieval_recall(titles, texts, K))
