"""The content-addressed cache of frozen features: shards on disk, and the feature table of a catalogue that is filled from them."""

import hashlib
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.errors import printable
from mmrec.files.storage import write_tensors
from mmrec.files.store import ask_all
from mmrec.types import UnusableInput

SHARD_ROWS, SHARD_SECONDS = 2_000, 30.0


class FeatureTable:
    """A feature table that is being filled: one row per input, where inputs with equal content share a key."""

    def __init__(self, inputs: Sequence[bytes | None], feature_dim: int):
        self.keys: list[bytes] = []
        self.positions: dict[bytes, list[int]] = {}
        self.sizes: list[int] = []
        self.unread: list[UnusableInput] = []
        for position, (key, size, reason) in enumerate(_digests(inputs)):
            self.keys.append(key)
            self.sizes.append(size)
            if reason:
                self.unread.append(UnusableInput(position, reason))
            if key:
                self.positions.setdefault(key, []).append(position)
        self.values = torch.zeros(len(inputs), feature_dim)
        self.present = torch.zeros(len(inputs), dtype=torch.bool)

    def fill(self, keys: list[bytes], rows: Float[Tensor, "n feature_dim"]) -> None:
        """Copy each row to all inputs with its key."""
        pairs = [(row, position) for row, key in enumerate(keys) for position in self.positions.get(key, ())]
        if pairs:
            source, target = torch.tensor(pairs).T
            self.values[target] = rows[source]
            self.present[target] = True

    def lacking(self) -> set[bytes]:
        """The keys without a row."""
        return {key for key, positions in self.positions.items() if not self.present[positions[0]]}

    def rows(self) -> tuple[list[bytes], Float[Tensor, "n feature_dim"]]:
        """The keys with a row, sorted, and their rows."""
        keys = sorted(key for key, positions in self.positions.items() if self.present[positions[0]])
        return keys, self.values[[self.positions[key][0] for key in keys]]

    def missing(self, window: int) -> list[list[int]]:
        """The first position of each key without a row, in windows; largest inputs first, so that one too large for memory fails early.

        The windows are cut over all keys and known ones are dropped afterwards: a resumed run forms the same batches as an uninterrupted
        one, and therefore bitwise identical rows.
        """
        first = sorted((positions[0] for positions in self.positions.values()), key=lambda position: (-self.sizes[position], position))
        windows = [first[start : start + window] for start in range(0, len(first), window)]
        left = [[position for position in positions if not self.present[position]] for positions in windows]
        return [positions for positions in left if positions]


def _digests(inputs: Sequence[bytes | None]) -> Iterator[tuple[bytes, int, str]]:
    """For each input its SHA-256 and size (empty and 0 if there is none), and why it cannot be read. Remote inputs are awaited."""

    def digest(position: int) -> tuple[bytes, int, str]:
        try:
            raw = inputs[position]
        except ValueError as error:
            return b"", 0, str(error)
        return (b"", 0, "") if raw is None else (hashlib.sha256(raw).digest(), len(raw), "")

    return ask_all(digest, len(inputs), has_to_wait=not isinstance(inputs, list))


class ShardWriter:
    """Collects rows and writes a shard when `SHARD_ROWS` are waiting, after `SHARD_SECONDS`, and when the work ends or fails."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._start()

    def _start(self) -> None:
        self.keys: list[bytes] = []
        self.rows: list[Tensor] = []
        self.since = time.monotonic()

    def __enter__(self) -> "ShardWriter":
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
    digest = hashlib.sha256(shard["keys"].numpy().data)
    digest.update(shard["values"].numpy().data)
    return digest.hexdigest()


def read_shard(path: Path, feature_dim: int) -> tuple[list[bytes], Float[Tensor, "n feature_dim"]]:
    """Read the keys and rows of a shard. A damaged shard is deleted with a warning and read as empty."""
    try:
        shard = load_file(path)
        if _shard_hash(shard) != path.stem:
            raise ValueError("its content differs from what was written")
        return [key.tobytes() for key in shard["keys"].numpy()], shard["values"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        warnings.warn(printable(f"{path}: damaged feature shard dropped ({error}); its items are computed again"), stacklevel=2)
        path.unlink(missing_ok=True)
        return [], torch.zeros(0, feature_dim)
