"""Frozen features in a store shared by several machines, addressed by the SHA-256 of their input like those in the local cache.

    <store>/<fingerprint[:32]>/<sha256>.safetensors    keys: (n, 32) uint8, ascending; values: (n, feature_dim) float32
    <store>/<fingerprint[:32]>/<sha256>.json           SHA-256, number of bytes and keys; written last

A table without its manifest is ignored, and so is one whose content does not match its name. Equal features produce equal files, so the
order of writers does not matter, and a damaged file is replaced once its rows are computed again.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Iterator

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from mmrec.errors import printable
from mmrec.files.store import Store, ask_all

TABLE_BYTES = 32 * 2**20
"""The maximal size of a table, and of its manifest."""
_FORMAT = 1
_KEY_BYTES, _LISTED_BYTES = 32, 70
"""The bytes per key in a table, and in a manifest."""
_HEX = re.compile(r"[0-9a-f]{64}")


class SharedFeatures:
    """The features of one encoder in a store."""

    def __init__(self, store: Store, fingerprint: str, feature_dim: int) -> None:
        self.store, self.folder, self.feature_dim = store, fingerprint[:32], feature_dim
        self._here: set[bytes] = set()
        """The keys in valid tables."""

    def find(self, wanted: set[bytes]) -> Iterator[tuple[list[bytes], Float[Tensor, "n feature_dim"]]]:
        """Yield those of the wanted keys that the store has with their rows, table by table; other tables are not read.

        Damaged files are skipped with a warning. Raises StorageError if the store cannot be reached.
        """
        manifests = self.store.names(f"{self.folder}/*.json")
        tables = list(ask_all(lambda position: self._keys(manifests[position]), len(manifests), self.store.is_remote))
        left = set(wanted)
        for manifest, keys in zip(manifests, tables, strict=True):
            if left.isdisjoint(keys):
                self._here |= keys
            elif (table := self._read(manifest.removesuffix(".json"))) is not None:
                found, rows = table
                self._here |= set(found)
                chosen = [row for row, key in enumerate(found) if key in left]
                left -= set(found)
                yield [found[row] for row in chosen], rows[chosen]

    def add(self, keys: list[bytes], rows: Float[Tensor, "n feature_dim"]) -> None:
        """Write the rows of keys that `find` did not find. Raises StorageError if the store cannot be written."""
        new = sorted((key, row) for row, key in enumerate(keys) if key not in self._here)
        n_rows = max(1, TABLE_BYTES // max(_LISTED_BYTES, _KEY_BYTES + 4 * self.feature_dim))
        for start in range(0, len(new), n_rows):
            part = new[start : start + n_rows]
            self._write([key for key, _ in part], rows[[row for _, row in part]])

    def _write(self, keys: list[bytes], rows: Float[Tensor, "n feature_dim"]) -> None:
        numbers = torch.from_numpy(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY_BYTES).copy())
        table = safetensors.torch.save({"keys": numbers, "values": rows.contiguous()})
        sha256 = hashlib.sha256(table).hexdigest()
        manifest = {"format": _FORMAT, "sha256": sha256, "bytes": len(table), "keys": [key.hex() for key in keys]}
        self.store.write(f"{self.folder}/{sha256}.safetensors", table)
        self.store.write(f"{self.folder}/{sha256}.json", json.dumps(manifest).encode())
        self._here |= set(keys)

    def _keys(self, name: str) -> set[bytes]:
        """The keys in a manifest; empty if it is damaged."""
        try:
            manifest = json.loads(self.store.read(name))
            if manifest["format"] != _FORMAT or f"{self.folder}/{manifest['sha256']}.json" != name:
                raise ValueError("it is of another format, or of another table")
            if not all(_HEX.fullmatch(key) for key in manifest["keys"]):
                raise ValueError("its keys are not SHA-256 hashes")
            return {bytes.fromhex(key) for key in manifest["keys"]}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._warn(name, error)
            return set()

    def _read(self, name: str) -> tuple[list[bytes], Float[Tensor, "n feature_dim"]] | None:
        """The keys and rows of a table; None if it is damaged."""
        try:
            raw = self.store.read(f"{name}.safetensors")
            if name != f"{self.folder}/{hashlib.sha256(raw).hexdigest()}":
                raise ValueError(f"its sha256 is {hashlib.sha256(raw).hexdigest()}")
            table = safetensors.torch.load(raw)
            keys, rows = table["keys"], table["values"]
            if rows.dtype != torch.float32 or rows.shape[1:] != (self.feature_dim,) or not rows.isfinite().all():
                raise ValueError(f"it has something other than rows of {self.feature_dim} finite numbers")
            if keys.dtype != torch.uint8 or keys.shape != (len(rows), _KEY_BYTES):
                raise ValueError("it does not have one key per row")
            return [key.tobytes() for key in keys.numpy()], rows
        except (ValueError, KeyError, IndexError, SafetensorError) as error:
            self._warn(f"{name}.safetensors", error)
            return None

    def _warn(self, name: str, error: Exception) -> None:
        where = f"{self.store.key}: {self.store.url}/{name}"
        warnings.warn(printable(f"{where}: damaged features left out ({error}); their items are computed again"), stacklevel=3)
