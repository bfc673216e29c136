"""Estimate the size of a Parquet file in memory from its metadata and dictionaries, before its rows are read.

Repeated texts are stored once, so a file of kilobytes can expand to gigabytes. Arrays are converted to NumPy through Polars, because the
conversions of pyarrow import pandas if it is installed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mmrec.data.tables.nesting import n_fields, type_depth
from mmrec.errors import DataError
from mmrec.files.compressed import n_allowed, too_much
from mmrec.files.limits import Limits, key_of

_DAMAGES = (OSError, pa.ArrowException, pl.exceptions.PolarsError, RecursionError)


def check_parquet(path: Path, limits: Limits) -> list[str]:
    """The columns of a Parquet file. Raises DataError if it is damaged, not Parquet, or exceeds the limits."""
    try:
        schema, n_bytes = pl.scan_parquet(path, glob=False).collect_schema(), path.stat().st_size
        limits.check_columns(path, n_fields(schema))
        if (n_levels := max(map(type_depth, schema.values()), default=0)) > limits.nesting:
            raise DataError(f"{path}: types nested {n_levels} deep, more than {limits.nesting}; {key_of('nesting')} allows more")
        file = pq.ParquetFile(path)
        limits.check_cells(path, file.metadata.num_rows, n_fields(schema), n_bytes)
        if _holds_more(path, file.metadata, n_allowed(path, limits)):
            raise too_much(path, limits)
    except _DAMAGES as error:
        raise DataError(f"{path}: not a Parquet file: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
    return list(schema)


def _holds_more(path: Path, metadata: pq.FileMetaData, allowed: int) -> bool:
    """Whether the texts, counted with repetitions, take more than `allowed` bytes."""
    chunks, n_bytes = [], 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if chunk.physical_type != "BYTE_ARRAY":
                continue
            if chunk.has_dictionary_page:
                chunks.append((group, chunk))
            else:
                n_bytes += chunk.total_uncompressed_size
    if n_bytes + sum(chunk.num_values * chunk.total_uncompressed_size for _, chunk in chunks) <= allowed:
        return n_bytes > allowed
    with pq.ParquetFile(path, read_dictionary=sorted({chunk.path_in_schema for _, chunk in chunks})) as file:
        for group, chunk in chunks:
            n_bytes += _text_bytes(file, group, chunk, allowed - n_bytes)
            if n_bytes > allowed:
                return True
    return False


def _text_bytes(file: pq.ParquetFile, group: int, chunk: pq.ColumnChunkMetaData, allowed: int) -> int:
    """An upper bound on the bytes of the texts in a column of a row group; exact if it exceeds this row group's part of `allowed`."""
    first = next(_dictionaries(file, group, chunk, 1), None)
    longest = 0 if first is None else int(_lengths(first).max(initial=0))
    bound: int = chunk.num_values * longest + chunk.total_uncompressed_size
    if bound <= allowed // max(1, file.metadata.num_row_groups):
        return bound
    return sum(_n_bytes(one) for one in _dictionaries(file, group, chunk, 2**20))


def _dictionaries(file: pq.ParquetFile, group: int, chunk: pq.ColumnChunkMetaData, n_rows: int) -> Iterator[pa.Array]:
    for batch in file.iter_batches(n_rows, row_groups=[group], columns=[chunk.path_in_schema]):
        values = batch.column(0)
        while isinstance(values, pa.ListArray | pa.LargeListArray | pa.StructArray):
            values = values.field(0) if isinstance(values, pa.StructArray) else values.flatten()
        yield values


def _lengths(values: pa.Array) -> np.ndarray:
    texts = values.dictionary if isinstance(values, pa.DictionaryArray) else values
    return pl.from_arrow(pc.binary_length(texts)).fill_null(0).cast(pl.Int64).to_numpy()


def _n_bytes(values: pa.Array) -> int:
    lengths = _lengths(values)
    if not isinstance(values, pa.DictionaryArray):
        return int(lengths.sum())
    codes = pl.from_arrow(values.indices).drop_nulls().to_numpy()
    return int((np.bincount(codes, minlength=len(lengths)) * lengths).sum()) if len(lengths) else 0
