"""Write the files of an ingested folder: the parts of the interactions piece by piece, the other tables and the settings."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from mmrec.data.folder.settings import FILE
from mmrec.data.folder.vectors import VALUES
from mmrec.files.storage import FrameDigest, sha256_text, write_parquet, write_tensors, write_text
from mmrec.types import PARTS, Dataset, RawInput

_ROWS_A_GROUP = 2**16
"""Rows per Parquet row group; encoding one takes several times its size in memory."""


class PartWriters:
    """Writes train, valid and test to one Parquet file each."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._digests = folder, [FrameDigest() for _ in PARTS]
        self._writers: list[pq.ParquetWriter] = []

    def __enter__(self) -> "PartWriters":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for writer in self._writers:
            writer.close()

    def add(self, parts: Sequence[pl.DataFrame]) -> None:
        """Append rows to each part."""
        if not self._writers:
            self._writers = [
                pq.ParquetWriter(self._folder / f"{name}.parquet", _arrow(part.clear()).schema, compression="zstd")
                for name, part in zip(PARTS, parts, strict=True)
            ]
        for writer, digest, part in zip(self._writers, self._digests, parts, strict=True):
            if part.is_empty():
                digest.add(part)
            for piece in part.iter_slices(_ROWS_A_GROUP):
                digest.add(piece)
                writer.write_table(_arrow(piece))

    @property
    def hash(self) -> str:
        """The hash of a `mmrec.data.interactions.split.Split` with the same rows."""
        return sha256_text(*(digest.hash for digest in self._digests))


def _arrow(part: pl.DataFrame) -> pa.Table:
    return part.to_arrow(compat_level=pl.CompatLevel.oldest())


def write_settings(folder: Path, dataset: Dataset) -> None:
    """Write `mmrec.yaml`, which describes the files in `folder`."""
    said = {
        "tables": {"interactions": {name: f"{name}.parquet" for name in PARTS}},
        "text_columns": list(dataset.text_columns),
        "image_column": dataset.image_column,
        "inputs": {name: _said_of(one) for name, one in dataset.further_inputs.items()},
        "features": {name: f"{name}.safetensors" for name in dataset.vectors},
    }
    said = {key: value for key, value in said.items() if value not in (None, {})}
    write_text(folder / FILE, yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=2**20))


def _said_of(one: RawInput) -> dict[str, Any]:
    return {"text_columns": list(one.text_columns)} if one.text_columns else {"image_column": one.image_column}


def write_evidence(folder: Path, dataset: Dataset) -> None:
    """Write all tables of a dataset other than the interactions, and its vectors."""
    for name in ("items", "triples", "item_entities", "users", "queries"):
        frame = getattr(dataset, name)
        if frame is not None:
            write_parquet(folder / f"{name}.parquet", frame)
    for name, vectors in dataset.vectors.items():
        write_tensors(folder / f"{name}.safetensors", {VALUES: torch.from_numpy(vectors.values)})
        write_parquet(folder / f"{name}_ids.parquet", vectors.item_ids.to_frame())
