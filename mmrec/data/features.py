"""Frozen features of a catalogue's texts and pictures: what is fed to an encoder, and the content-addressed cache of what comes out.

The key of a feature is the sha256 of the raw bytes it was computed from; the folder is named by the encoder's fingerprint. So nothing is
ever stale: a changed item, model or setting is another key. A cache folder holds *shards*, safetensors files of up to `SHARD_ROWS` rows:

    <cache>/features/<fingerprint[:32]>/<sha256 of the content>.safetensors     keys: (n, 32) uint8, values: (n, feature_dim) float32

A store that several machines share (`mmrec.data.shared_features`) stands behind the cache, if there is one.
"""

import hashlib
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.data.shared_features import SharedFeatures
from mmrec.data.storage import write_tensors
from mmrec.data.store import Store, ask_all, open_pictures
from mmrec.types import ITEM_ID, Dataset, FeatureEncoder, Features

SHARD_ROWS, SHARD_SECONDS = 2_000, 30.0
WINDOW_BATCHES = 4
"""Batches prepared together: within them inputs are sorted by length, beyond them only by bytes. Bounds the decoded pictures in memory."""

_PREPARED_AT_ONCE = 16
"""By one thread: handing over each input by itself costs as much as decoding a small picture does."""


@dataclass(frozen=True)
class Problem:
    """An input that could not be used: its position among the inputs, and why, in one line."""

    position: int
    reason: str


class Encoded(NamedTuple):
    """What became of some of the inputs: either why they were refused, by position, or their features."""

    refused: dict[int, str]
    positions: list[int]
    rows: Float[Tensor, "n_positions feature_dim"] | None


class Engine(Protocol):
    """Where inputs are encoded: windows of positions in, what became of all of these out, in the order of the windows."""

    def __call__(
        self, encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]], batch_size: int
    ) -> Iterator[Encoded]: ...


def encode_here(encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]], batch_size: int) -> Iterator[Encoded]:
    """Encodes in this process, batch by batch; the next window is prepared by threads while one is encoded."""
    for window in _prepare_windows(encoder, inputs, windows):
        if refused := {position: reason for position, _, reason in window if reason}:
            yield Encoded(refused, [], None)
        for batch in _sorted_batches(encoder, window, batch_size):
            yield Encoded({}, [position for position, _ in batch], encoder.encode([prepared for _, prepared in batch]))


def extract_features(
    encoder: FeatureEncoder,
    inputs: Sequence[bytes | None],
    cache: Path,
    batch_size: int,
    modality: str,
    engine: Engine = encode_here,
    store: Store | None = None,
) -> tuple[Features, list[Problem]]:
    """The features of every input, from the cache where it has them and computed (then cached) where not.

    None means that the item has no such input; it and an input that cannot be read or that `encoder.prepare` refuses, with ValueError, are
    not `present`, and each refused one is a problem. Equal inputs are computed once. What was computed is on disk after at most
    `SHARD_SECONDS`, so a kill loses little. `modality` only names the progress bar; `engine` says where it is computed, not what.
    What the cache lacks is looked up in `store` before, and what that lacks is written there after; it raises StorageError.
    """
    table = _Table(inputs, encoder.feature_dim)
    folder = cache / "features" / encoder.fingerprint[:32]
    for path in sorted(folder.glob("*.safetensors")):
        table.fill(*_read_shard(path, encoder.feature_dim))
    shared = None if store is None else SharedFeatures(store, encoder.fingerprint, encoder.feature_dim)
    if shared is not None:
        with _ShardWriter(folder) as shards:
            for keys, rows in shared.find(table.lacking()):
                table.fill(keys, rows)
                shards.add(keys, rows)
    todo, refused = table.missing(WINDOW_BATCHES * batch_size), {}
    console = Console(stderr=True)
    with Progress(console=console, disable=not (console.is_terminal and todo)) as progress, _ShardWriter(folder) as shards:
        bar = progress.add_task(f"{modality} features ({encoder.name})", total=sum(map(len, todo)))
        for encoded in engine(encoder, inputs, todo, batch_size) if todo else ():
            refused |= encoded.refused
            if encoded.rows is not None:
                if not encoded.rows.isfinite().all():
                    raise ValueError(f"{encoder.name} gave features that are not finite numbers; nothing of this batch was cached")
                keys = [table.keys[position] for position in encoded.positions]
                table.fill(keys, encoded.rows)
                shards.add(keys, encoded.rows)
            progress.advance(bar, len(encoded.refused) + len(encoded.positions))
    if shared is not None:
        shared.add(*table.rows())
    problems = [Problem(position, reason) for first, reason in refused.items() for position in table.positions[table.keys[first]]]
    return Features(table.values, table.present, encoder.name), sorted(table.unread + problems, key=lambda problem: problem.position)


def read_pictures(dataset: Dataset, item_ids: Sequence[str] | pl.Series) -> tuple[Sequence[bytes | None], list[Problem]]:
    """The raw bytes of each item's picture, in the order of `item_ids`, read from its store whenever an element is asked for.

    None, with a problem, where the store has no file of that name, or one that it may not give; None, without one, where the item names no
    picture. Asking for an element raises ValueError where the file has gone or changed its kind since, StorageError where the store has.
    """
    if dataset.image_column is None:
        return [None] * len(item_ids), []
    named = dict(dataset.items.select(ITEM_ID, pl.col(dataset.image_column).cast(pl.String)).iter_rows())
    names = [named.get(item_id) or None for item_id in item_ids]
    store = open_pictures(dataset.root, dataset.pictures)

    def refused(position: int) -> str:
        try:
            if names[position] is not None:
                store.check(names[position])
        except ValueError as error:
            return str(error)
        return ""

    reasons = list(ask_all(refused, len(names), store.is_remote))
    problems = [Problem(position, reason) for position, reason in enumerate(reasons) if reason]
    return _Files(store, [None if reason else name for name, reason in zip(names, reasons, strict=True)]), problems


def item_texts(items: pl.DataFrame, text_columns: Sequence[str]) -> list[bytes | None]:
    """The text of each row as UTF-8, columns joined like sentences ("Title. genre. plot"); None where all are null or blank."""
    columns = [_text_column(items[name]) for name in text_columns]
    return [_join_sentences([part for part in row if part]) for row in zip(*columns, strict=True)]


def _text_column(column: pl.Series) -> list[str | None]:
    if isinstance(column.dtype, pl.List):
        column = column.cast(pl.List(pl.String)).list.join(", ")
    return column.cast(pl.String).str.strip_chars().to_list()


def _join_sentences(parts: list[str]) -> bytes | None:
    text = " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts[:-1])
    return f"{text} {parts[-1]}".strip().encode() if parts else None


class _Files(Sequence):
    """Files of a store as a sequence of their bytes, none of them kept in memory."""

    def __init__(self, store: Store, names: list[str | None]):
        self.store, self.names = store, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, position: int | slice) -> "bytes | _Files | None":
        if isinstance(position, slice):
            return _Files(self.store, self.names[position])
        name = self.names[position]
        return None if name is None else self.store.read(name)


class _Table:
    """The result being filled: one row an input, and which inputs (one or more) share a key."""

    def __init__(self, inputs: Sequence[bytes | None], feature_dim: int):
        self.keys: list[bytes] = []
        self.positions: dict[bytes, list[int]] = {}
        self.sizes: list[int] = []
        self.unread: list[Problem] = []
        for position, (key, size, reason) in enumerate(_digests(inputs)):
            self.keys.append(key)
            self.sizes.append(size)
            if reason:
                self.unread.append(Problem(position, reason))
            if key:
                self.positions.setdefault(key, []).append(position)
        self.values = torch.zeros(len(inputs), feature_dim)
        self.present = torch.zeros(len(inputs), dtype=torch.bool)

    def fill(self, keys: list[bytes], rows: Float[Tensor, "n feature_dim"]) -> None:
        """Puts each row wherever its key is asked for."""
        pairs = [(row, position) for row, key in enumerate(keys) for position in self.positions.get(key, ())]
        if pairs:
            source, target = torch.tensor(pairs).T
            self.values[target] = rows[source]
            self.present[target] = True

    def lacking(self) -> set[bytes]:
        """The keys without a row."""
        return {key for key, positions in self.positions.items() if not self.present[positions[0]]}

    def rows(self) -> tuple[list[bytes], Float[Tensor, "n feature_dim"]]:
        """The keys that have a row, sorted, and their rows."""
        keys = sorted(key for key, positions in self.positions.items() if self.present[positions[0]])
        return keys, self.values[[self.positions[key][0] for key in keys]]

    def missing(self, window: int) -> list[list[int]]:
        """The first position of each key still without a row, largest input first: what does not fit in memory fails at once.

        They come in windows of all keys, the known ones left out: a run that goes on makes the batches of one that was not stopped, hence
        the same rows to the last digit.
        """
        first = sorted((positions[0] for positions in self.positions.values()), key=lambda position: (-self.sizes[position], position))
        windows = [first[start : start + window] for start in range(0, len(first), window)]
        left = [[position for position in positions if not self.present[position]] for positions in windows]
        return [positions for positions in left if positions]


def _digests(inputs: Sequence[bytes | None]) -> Iterator[tuple[bytes, int, str]]:
    """Of each input its sha256 and size, empty and 0 where there is none, and why it cannot be read. Those not in memory are waited for."""

    def digest(position: int) -> tuple[bytes, int, str]:
        try:
            raw = inputs[position]
        except ValueError as error:
            return b"", 0, str(error)
        return (b"", 0, "") if raw is None else (hashlib.sha256(raw).digest(), len(raw), "")

    return ask_all(digest, len(inputs), has_to_wait=not isinstance(inputs, list))


class _ShardWriter:
    """Collects computed rows and writes a shard when `SHARD_ROWS` are waiting, `SHARD_SECONDS` have passed, or work ends in any way."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._start()

    def _start(self) -> None:
        self.keys: list[bytes] = []
        self.rows: list[Tensor] = []
        self.since = time.monotonic()

    def __enter__(self) -> "_ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, keys: list[bytes], rows: Float[Tensor, "n feature_dim"]) -> None:
        self.keys += keys
        self.rows.append(rows)
        if len(self.keys) >= SHARD_ROWS or time.monotonic() - self.since >= SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self.keys:
            shard = {
                "keys": torch.from_numpy(np.frombuffer(b"".join(self.keys), np.uint8).reshape(-1, 32).copy()),
                "values": torch.cat(self.rows),
            }
            write_tensors(self.folder / f"{_shard_hash(shard)}.safetensors", shard)
        self._start()


def _shard_hash(shard: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(shard["keys"].numpy())
    digest.update(shard["values"].numpy())
    return digest.hexdigest()


def _read_shard(path: Path, feature_dim: int) -> tuple[list[bytes], Float[Tensor, "n feature_dim"]]:
    """Keys and rows of a shard. A damaged one is deleted with a warning and read as empty."""
    try:
        shard = load_file(path)
        if _shard_hash(shard) != path.stem:
            raise ValueError("its content is not what was written")
        return [key.tobytes() for key in shard["keys"].numpy()], shard["values"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        warnings.warn(f"{path}: damaged feature shard dropped ({error}); its items are computed again", stacklevel=2)
        path.unlink(missing_ok=True)
        return [], torch.zeros(0, feature_dim)


def _prepare_windows(
    encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]]
) -> Iterator[list[tuple[int, object, str]]]:
    """(position, prepared, reason it was refused or "") of each window; the next window is prepared while one is used."""

    def attempt(position: int) -> tuple[int, object, str]:
        try:
            return position, encoder.prepare(inputs[position]), ""
        except ValueError as error:
            return position, None, " ".join(str(error).split()) or "cannot be used"

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

        def begin(window: list[int]) -> list[Future]:
            parts = (window[start : start + _PREPARED_AT_ONCE] for start in range(0, len(window), _PREPARED_AT_ONCE))
            return [pool.submit(lambda part: [attempt(position) for position in part], part) for part in parts]

        ahead = begin(windows[0]) if windows else []
        for following in [*windows[1:], []] if windows else []:
            current, ahead = ahead, begin(following)
            yield [prepared for future in current for prepared in future.result()]


def _sorted_batches(encoder: FeatureEncoder, window: list[tuple[int, object, str]], batch_size: int) -> Iterator[list[tuple[int, object]]]:
    """The usable inputs of a window in batches of similar length, so that little is padding."""
    usable = sorted(
        ((position, prepared) for position, prepared, reason in window if not reason), key=lambda pair: -encoder.length(pair[1])
    )
    for start in range(0, len(usable), batch_size):
        yield usable[start : start + batch_size]
