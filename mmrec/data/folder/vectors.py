"""Read precomputed item vectors; each file is a modality of its own: `{audio: audio.npy, video: clips/video.parquet}`.

    .npy           an array; the ids in `audio_ids.csv` (a column item_id) or `audio_ids.txt` (one id per line) next to it, in the same
    order .safetensors   likewise, with the array in the tensor `values` .parquet       item_id and one column of lists, or item_id and
    numeric columns

Nothing is imputed: an item without a row, or with a null list, lacks the modality.
"""

import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import polars as pl
import torch
from jaxtyping import Float32, Shaped
from safetensors import SafetensorError, safe_open

from mmrec.data.tables.columns import Column, ReadTable, read_table
from mmrec.data.tables.delimited.encoding import TextEncoding, odd_bytes
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import TextFile
from mmrec.errors import ConfigError, DataError
from mmrec.files.limits import DEFAULTS, Limits
from mmrec.files.locate import SUFFIXES as TABLE_SUFFIXES
from mmrec.files.locate import check_kind, find_table, is_inside, missing_file
from mmrec.types import COLLABORATIVE, ITEM_ID, KG, ItemVectors

SUFFIXES = (".npy", ".safetensors", ".parquet")
VALUES = "values"
"""The name of the tensor with the vectors in a .safetensors file."""
_TAKEN = (COLLABORATIVE, KG, "others")  # `others`: the name of all further modalities in runs of an earlier version
_LARGEST_HEADER = 2**16
_LARGEST = float(np.finfo(np.float32).max)


class VectorFiles(NamedTuple):
    """The files of a modality's vectors and of the item ids of their rows; in Parquet they are the same file."""

    values: Path
    ids: Path
    source: str
    """The path of the vectors in the configuration."""


class IdLines(TextFile):
    """A file with one id per line, without a header; blank lines are skipped."""

    has_types = False

    @property
    def columns(self) -> list[str]:
        return [ITEM_ID]

    def scan(self) -> pl.LazyFrame:
        texts = [text for _, text in self._texts()]
        if any(map(odd_bytes, texts)):
            raise pl.exceptions.ComputeError(f"{self.path}: not UTF-8")
        return pl.LazyFrame({ITEM_ID: texts}, schema={ITEM_ID: pl.String})

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        found = [(line, text, odd_bytes(text)) for line, text in self._texts()]
        if bad := [Problem("odd-bytes", f"{self.path}:{line}", f"expected one encoding, found {odd}") for line, _, odd in found if odd]:
            problems.add(str(self.path), bad)
        self.broken, self._lines = tuple(line for line, _, odd in found if odd), [line for line, _, odd in found if not odd]
        return pl.LazyFrame({ITEM_ID: [text for _, text, odd in found if not odd]}, schema={ITEM_ID: pl.String})

    def _row_lines(self) -> Iterator[int]:
        return (line for line, _ in self._texts())

    def _texts(self) -> Iterator[tuple[int, str]]:
        with self.open() as file:
            yield from ((line, text.strip()) for line, text in enumerate(file, 1) if text.strip())


class _Stored(NamedTuple):
    """The content of a vector file, before it is matched with items."""

    values: Float32[np.ndarray, "n_usable dim"]
    rows: np.ndarray
    """The row numbers in the file of `values`, ascending: rows that float32 can represent."""
    absent: pl.Series
    """For every row of the file, whether it states that there is no vector."""
    cells: Callable[[int], Sequence[float | None]]
    """Returns the numbers in a row of the file."""


def find_vectors(folder: Path, features: Mapping[str, str]) -> dict[str, VectorFiles]:
    """Locate the vector files of every modality, relative to `folder` and inside it.

    Raises:
        ConfigError: a name is not allowed for a modality, or a file lies outside the folder or has an unknown suffix.
        MissingFile: a file does not exist.
        DataError: there is no list of ids next to a file, or several.
    """
    found = {}
    for name, source in features.items():
        key, path = f"data.features.{name}", folder / source
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in _TAKEN:
            raise ConfigError(f"{key}: expected a name of small letters, digits and _, and none of {', '.join(_TAKEN)}")
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"{key}: expected a file that ends in {', '.join(SUFFIXES)}, found `{source}`")
        if Path(source).is_absolute() or not is_inside(path, folder):
            raise ConfigError(f"{key}: `{source}` lies outside of the dataset's folder {folder}; copy it there")
        if not path.is_file():
            raise missing_file(path)
        ids = path if path.suffix == ".parquet" else _find_ids(path)
        if not is_inside(ids, folder):
            raise ConfigError(f"{key}: {ids.name} leads out of the dataset's folder {folder}; copy it there")
        found[name] = VectorFiles(path, ids, source)
    return found


def read_vectors(
    files: VectorFiles,
    known: pl.Series,
    problems: Problems,
    names: Mapping[str, str] | None = None,
    limits: Limits = DEFAULTS,
    encoding: TextEncoding | None = None,
) -> tuple[ReadTable, ItemVectors]:
    """Read the vectors of a modality, and the table of their items.

    Args:
        files: from `find_vectors`.
        known: the ids of all items.
        problems: collects rows that cannot be used: repeated or unknown ids, numbers beyond float32. If the numbers of ids and rows differ,
            rows cannot be attributed: this is a single problem, and no vectors are returned.
        names: our column names to those of the file.
        limits: the largest sizes that are accepted for the list of ids.
        encoding: the encoding of the list of ids, if it is text.

    Raises:
        DataError: the file is invalid for its suffix, or does not hold rows of numbers.
    """
    file = IdLines(files.ids, encoding) if files.ids.suffix == ".txt" else open_table(files.ids, limits=limits, encoding=encoding)
    table = read_table(file, (Column(ITEM_ID, "id"),), problems, names)
    id_column = next(name for name in ((names or {}).get(ITEM_ID), ITEM_ID) if name in file.columns)
    stored = _READERS[files.values.suffix](files.values, id_column)
    n_rows, n_ids = len(stored.absent), table.n_read - len(file.broken)
    if n_ids != n_rows or file.broken:
        reason = f"expected {n_rows:,} ids that can be read, one for each row of {files.values.name}, found {n_ids:,}"
        problems.add(str(files.ids), [Problem("wrong-length", str(files.ids), reason)])
        nothing = table._replace(frame=table.frame.clear(), rows=table.rows.clear(), bad=pl.concat([table.rows, table.bad]).sort())
        return nothing, ItemVectors(nothing.frame[ITEM_ID], stored.values[:0], files.source)
    has = ~stored.absent.gather(table.rows)
    table = table._replace(frame=table.frame.filter(has), rows=table.rows.filter(has))
    table = table.once_each(ITEM_ID, problems).known_items(known, problems)
    row_of = dict(zip(table.frame[ITEM_ID], table.rows, strict=True))

    def reason_of(item: object) -> str:
        dim, odd = stored.values.shape[1], _odd(stored.cells(row_of[item]), stored.values.shape[1])
        return f"expected {dim} numbers that float32 can hold in row {row_of[item] + 1} of {files.values.name}, found {odd}"

    table = table.without(pl.Series(~np.isin(table.rows, stored.rows)), problems, ITEM_ID, "no-vector", reason_of)
    return table, ItemVectors(table.frame[ITEM_ID], stored.values[np.searchsorted(stored.rows, table.rows)], files.source)


def _find_ids(path: Path) -> Path:
    stem = f"{path.stem}_ids"
    lines = path.with_name(f"{stem}.txt")
    table = find_table(path.parent, stem, [suffix for suffix in TABLE_SUFFIXES if suffix != ".txt"])
    found = [one for one in (table, lines if os.path.lexists(lines) else None) if one is not None]
    if not found:
        raise DataError(
            f"{path}: expected the items of its rows in {stem}.csv beside it (a header `{ITEM_ID}`, then an id for each row) or in "
            f"{stem}.txt (the ids alone), found neither"
        )
    if len(found) > 1:
        raise DataError(f"{path.parent}: expected one list of ids, found {' and '.join(one.name for one in found)}; remove all but one")
    check_kind(found[0])
    return found[0]


def open_npy(path: Path) -> Shaped[np.ndarray, "n_rows dim"]:
    """Memory-map the two-dimensional array in a NumPy file.

    The header is not trusted: it must agree with the size of the file. Raises DataError for anything else.
    """
    with open(path, "rb") as file:
        start = io.BytesIO(file.read(_LARGEST_HEADER))
    try:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, by_columns, dtype = read[np.lib.format.read_magic(start)](start)
    except Exception as error:  # the header is a Python literal, and parsing it can fail in any way
        raise DataError(f"{path}: not a NumPy file, or a damaged one: {(str(error) or 'an odd header').splitlines()[0]}") from None
    if dtype.hasobject:
        raise DataError(f"{path}: expected numbers, it holds Python objects, which may run code and are not read; save it as float32")
    if dtype.kind not in "fiu":
        raise DataError(f"{path}: expected numbers, the array holds {dtype}")
    _check_shape(path, shape)
    claimed, there = math.prod(shape) * dtype.itemsize, path.stat().st_size - start.tell()
    if claimed != there:
        raise DataError(f"{path}: {shape[0]:,} rows of {shape[1]:,} numbers, as its header says, take {claimed:,} bytes; it has {there:,}")
    return np.memmap(path, dtype, "r", start.tell(), shape, "F" if by_columns else "C")


def _read_npy(path: Path, _id_column: str) -> _Stored:
    values = open_npy(path)
    return _of_rows(values, _none_absent(len(values)), lambda row: values[row].tolist())


def _read_safetensors(path: Path, _id_column: str) -> _Stored:
    try:
        with safe_open(path, framework="pt") as file:  # validates the header against the size of the file
            if VALUES not in file.keys():  # noqa: SIM118, not a dict
                raise DataError(f"{path}: expected a tensor called `{VALUES}`, found {', '.join(sorted(file.keys())) or 'none'}")
            _check_shape(path, file.get_slice(VALUES).get_shape())
            values = file.get_tensor(VALUES)
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file, or a damaged one: {error}") from None
    if values.is_complex() or values.dtype == torch.bool:
        raise DataError(f"{path}: expected numbers, `{VALUES}` holds {values.dtype}")
    return _of_rows(values.float().numpy(), _none_absent(len(values)), lambda row: values[row].tolist())


def _read_parquet(path: Path, id_column: str) -> _Stored:
    """Read the columns other than the ids: one column of lists, or numeric columns."""
    try:
        frame = pl.read_parquet(path, glob=False).drop(id_column)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet file, or a damaged one: {str(error).splitlines()[0]}") from None
    odd = [name for name, dtype in frame.schema.items() if not dtype.is_numeric()]
    if frame.width == 1 and isinstance(dtype := frame.dtypes[0], pl.List | pl.Array) and dtype.inner.is_numeric():
        return _of_lists(path, frame.to_series())
    if odd or not frame.width:
        found = f"`{odd[0]}` ({frame.schema[odd[0]]})" if odd else "none"
        raise DataError(f"{path}: expected beside `{id_column}` one column of lists of numbers, or numbers alone, found {found}")
    _check_shape(path, frame.shape)
    absent = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return _of_rows(frame.select(pl.all().cast(pl.Float32)).to_numpy(), absent, frame.row)


def _of_lists(path: Path, lists: pl.Series) -> _Stored:
    """Use the most frequent length of the lists as the dimension; lists of other lengths are not usable."""
    numbers = lists.cast(pl.List(pl.Float32))
    lengths = numbers.list.len()
    dim = cast("int | None", lengths.drop_nulls().mode().max()) or 0
    _check_shape(path, (len(lists), dim))
    rows = (lengths == dim).fill_null(False).arg_true().to_numpy()
    stored = _of_rows(numbers.gather(rows).explode().to_numpy().reshape(-1, dim), lists.is_null(), lambda row: lists[row].to_list())
    return stored._replace(rows=rows[stored.rows])


def _of_rows(values: np.ndarray, absent: pl.Series, cells: Callable[[int], Sequence[float | None]]) -> _Stored:
    with np.errstate(over="ignore"):  # values beyond float32 become infinite
        values = np.array(values, dtype=np.float32, order="C")
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    return _Stored(values if len(rows) == len(values) else values[rows], rows, absent, cells)


def _odd(cells: Sequence[float | None], dim: int) -> str:
    """The reason that makes a row unusable."""
    if len(cells) != dim:
        return f"{len(cells):,}"
    return next(f"`{cell}`" for cell in cells if cell is None or not abs(cell) <= _LARGEST)


def _check_shape(path: Path, shape: Sequence[int]) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise DataError(f"{path}: expected rows of numbers, at least one of at least one, found an array of shape {tuple(shape)}")


def _none_absent(n_rows: int) -> pl.Series:
    return pl.repeat(False, n_rows, eager=True)


_READERS = {".npy": _read_npy, ".safetensors": _read_safetensors, ".parquet": _read_parquet}
