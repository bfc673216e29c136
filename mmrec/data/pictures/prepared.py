"""The decoded and resized pictures of a catalogue in a file that is mapped into memory, so that training reads them without decoding.

<cache>/decoded_pictures/<hash of the pictures and of their preparation>.safetensors     pictures: (n, size, size, 3) uint8
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Bool, Int64, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.data.features.item_inputs import PictureInputs
from mmrec.errors import printable
from mmrec.files.progress import progress
from mmrec.files.storage import sha256_tensors, sha256_text, write_atomic

_NAME, _AT_ONCE = "pictures", 64


@dataclass(frozen=True)
class PictureRows:
    """One decoded picture for every distinct file, and the row of every item."""

    values: UInt8[Tensor, "n_rows size size 3"]
    row_of: Int64[Tensor, " n_items"]
    present: Bool[Tensor, " n_items"]
    """Whether each item has a picture."""
    fingerprint: str
    """The SHA-256 of the files, their preparation and order."""

    @classmethod
    def of(cls, inputs: PictureInputs, preparation: str, cache: Path | None) -> "PictureRows":
        """Decode the pictures of items, or map the file in which an earlier run has stored them.

        Args:
            inputs: the pictures and their encoder.
            preparation: names all settings of the encoder's `prepare`.
            cache: the folder of all caches. None: the pictures stay in memory.
        """
        keys: dict[str, int] = {}
        having, rows = list[int](), torch.zeros(len(inputs.raw), dtype=torch.int64)
        for at in inputs.usable.nonzero().squeeze(1).tolist():
            key = hashlib.sha256(inputs.raw[at] or b"").hexdigest()
            if key not in keys:
                keys[key] = len(keys)
                having.append(at)
            rows[at] = keys[key]
        files = sha256_text(preparation, *keys)
        path = None if cache is None else cache / "decoded_pictures" / f"{files}.safetensors"
        values = None if path is None else _read(path, len(having))
        if values is None:
            values = _decode(inputs, having, path)
        row_of = rows if inputs.order is None else rows[inputs.order]
        order = sha256_tensors({"row_of": row_of, "present": inputs.present})
        return cls(values, row_of, inputs.present, sha256_text(files, order))

    def __deepcopy__(self, memo: Any) -> "PictureRows":
        """The same object: nothing writes to it, and a copy would hold all pictures in memory."""
        return self

    def lengths(self, item_idx: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The lengths of the inputs, which are equal."""
        return torch.ones_like(item_idx)

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[UInt8[Tensor, "size size 3"]]:
        """The pictures of items."""
        return [self.values[row] for row in self.row_of[item_idx].tolist()]


def _decode(inputs: PictureInputs, having: list[int], path: Path | None) -> Tensor:
    """Decode pictures to a file that is mapped, or to memory."""
    if path is None:
        return torch.stack([picture for group in _groups(inputs, having) for picture in group])

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            for group in progress(_groups(inputs, having), "decoding pictures", -(-len(having) // _AT_ONCE)):
                if not file.tell():
                    file.write(_header(len(having), tuple(group[0].shape)))
                for picture in group:
                    file.write(picture.contiguous().numpy().data)

    write_atomic(path, write)
    return load_file(path)[_NAME]


def _groups(inputs: PictureInputs, having: list[int]) -> Iterator[list[Tensor]]:
    """The decoded pictures in groups, by several threads."""

    def decode(at: int) -> Tensor:
        prepared: Any = inputs.encoder.prepare(cast("bytes", inputs.raw[at]))  # only items that have one
        return cast("Tensor", prepared)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for start in range(0, len(having), _AT_ONCE):
            yield list(pool.map(decode, having[start : start + _AT_ONCE]))


def _header(n: int, shape: tuple[int, ...]) -> bytes:
    """The start of a safetensors file with one tensor of bytes, whose content follows: this needs no memory for all pictures."""
    size = n * torch.Size(shape).numel()
    text = json.dumps({_NAME: {"dtype": "U8", "shape": [n, *shape], "data_offsets": [0, size]}}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read(path: Path, n: int) -> Tensor | None:
    """The pictures in a file; None if there is none, or, with a warning, if it is damaged."""
    if not path.is_file():
        return None
    try:
        values = load_file(path)[_NAME]
        if len(values) != n or values.dtype != torch.uint8:
            raise ValueError(f"expected {n} pictures, found {len(values)} of {values.dtype}")
        return values
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        warnings.warn(printable(f"{path}: damaged pictures dropped ({error}); they are decoded again"), stacklevel=3)
        return None
