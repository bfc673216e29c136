"""Continue the masked-language-model pretraining of a text encoder on the texts of a catalogue, and measure it on held-out texts."""

import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmrec.data.features.texts import item_texts
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.pretrain import Card, Schedule
from mmrec.files.progress import progress
from mmrec.files.storage import write_folder, write_json
from mmrec.nn.encoders.masking import NOT_MASKED, mask_tokens, pad_rows
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.tasks.contrastive import warmup_cosine
from mmrec.types import Dataset

CARD = "card.json"
HELD_OUT_SHARE, MIN_TEXTS = 0.1, 20
_WEIGHT_DECAY, _WARMUP_SHARE = 0.01, 0.06
"""As in the pretraining of RoBERTa (Liu et al. 2019, table 9)."""
_log = logging.getLogger(__name__)


def pretrain_text(dataset: Dataset, encoder: BertTextEncoder, output: Path, schedule: Schedule) -> Card:
    """Train an encoder to predict hidden words in nine tenths of the distinct texts, and write it to the folder `output`.

    `text_encoder=bert_base encoders.text.path_or_name=OUTPUT encoders.text.revision=null` then uses it. The returned card is also written
    to `OUTPUT/card.json`, with the loss per hidden token on the other texts before and after. These select nothing.

    Raises:
        DataError: there are too few texts.
        ConfigError: the encoder is no masked language model, or `output` holds something else.
    """
    start = time.perf_counter()
    if output.exists() and not (output / CARD).is_file():
        raise ConfigError(f"output: {output} is there, and not made by `mmrec pretrain pretrain=text`; name another folder")
    texts = sorted({text for text in item_texts(dataset.items, dataset.text_columns) if text})
    if len(texts) < MIN_TEXTS:
        raise DataError(f"{dataset.name}: expected at least {MIN_TEXTS} different texts, found {len(texts)}; see data.text_columns")
    if encoder.tokenizer.mask_token_id is None:
        raise ConfigError(f"pretrain: {encoder.name} has no mask token, which pretrain=text needs; take an encoder such as minilm")
    rows = [torch.tensor(encoder.prepare(text)) for text in texts]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(schedule.seed)).tolist()
    n_held = max(1, int(HELD_OUT_SHARE * len(rows)))
    held, train = ([rows[row] for row in part] for part in (order[:n_held], order[n_held:]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        model: Any = encoder.masked_model()
        before = _held_out_loss(model, encoder, held, schedule)
        _fit(model, encoder, train, schedule)
    after = _held_out_loss(model, encoder, held, schedule)
    card: Card = {
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        **asdict(schedule),
        "n_texts": len(train),
        "n_held_out": n_held,
        "loss_before": round(before, 4),
        "loss": round(after, 4),
        "seconds": round(time.perf_counter() - start, 1),
    }

    def write(folder: Path) -> None:
        model.base_model.save_pretrained(folder)
        encoder.tokenizer.save_pretrained(folder)
        write_json(folder / CARD, card)

    shutil.rmtree(output, ignore_errors=True)
    write_folder(output, write)
    _log.info(f"{n_held:,} held-out texts: loss per hidden token {before:.3f} before, {after:.3f} after; encoder: {output}")
    return card


def _fit(model: Any, encoder: BertTextEncoder, rows: list[Tensor], schedule: Schedule) -> None:
    """Minimise the cross-entropy of hidden tokens; each epoch hides others."""
    n_steps = schedule.epochs * -(-len(rows) // schedule.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.learning_rate, weight_decay=_WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, n_steps, _WARMUP_SHARE))
    generator = torch.Generator().manual_seed(schedule.seed)
    model.train()
    for _ in progress(range(schedule.epochs), "pretraining texts", schedule.epochs):
        for chosen in torch.randperm(len(rows), generator=generator).split(schedule.batch_size):
            optimizer.zero_grad()
            _loss(model, encoder, [rows[row] for row in chosen.tolist()], generator).backward()
            optimizer.step()
            rates.step()
    model.eval()


@torch.no_grad()
def _held_out_loss(model: Any, encoder: BertTextEncoder, rows: list[Tensor], schedule: Schedule) -> float:
    """The mean loss of the batches, with the same hidden tokens at every call."""
    generator = torch.Generator().manual_seed(schedule.seed)
    model.eval()
    losses = [_loss(model, encoder, rows[at : at + schedule.batch_size], generator) for at in range(0, len(rows), schedule.batch_size)]
    return float(torch.stack(losses).mean())


def _loss(model: Any, encoder: BertTextEncoder, rows: list[Tensor], generator: torch.Generator) -> Tensor:
    tokenizer = encoder.tokenizer
    ids, mask = pad_rows(rows, tokenizer.pad_token_id or 0)
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids)) | (mask == 0)
    shown, labels = mask_tokens(ids, special, int(tokenizer.mask_token_id), len(tokenizer), generator)
    logits = model(input_ids=shown, attention_mask=mask).logits
    loss: Tensor = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NOT_MASKED)
    return loss
