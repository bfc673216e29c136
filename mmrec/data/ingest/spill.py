"""Interactions on disk in files by user range, so that data larger than memory is processed one file at a time.

The ranges are in text order, so the concatenated files are in the row order of splits.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from mmrec.files.progress import progress
from mmrec.types import USER_ID

ROWS_A_FILE, MAX_FILES = 2**17, 256
"""The average number of rows per file, and the maximal number of files, beyond which files grow. All rows of a user are in one file."""
_SAMPLE = 2**17
_PLAIN = pl.CompatLevel.oldest()
"""The Arrow layout in which a slice stores only its own text."""


class Sample:
    """A systematic sample of a stream of ids: every n-th id, where n doubles as the stream gets longer."""

    def __init__(self) -> None:
        self.n, self._step = 0, 1
        self._ids: list[pl.Series] = []

    def add(self, ids: pl.Series) -> None:
        """Add the next ids; nulls are ignored."""
        ids = ids.drop_nulls()
        self._ids.append(ids.gather_every(self._step, offset=-self.n % self._step))
        self.n += len(ids)
        while sum(map(len, self._ids)) > _SAMPLE:
            whole = pl.concat(self._ids)
            self._ids, self._step = [whole.gather_every(2)], 2 * self._step

    def bounds(self) -> pl.Series:
        """The first user of every range except the first, ascending, such that the ranges have about equally many rows."""
        n_files = min(-(-self.n // ROWS_A_FILE), MAX_FILES)
        if n_files < 2:
            return pl.Series(dtype=pl.String)
        ids = pl.concat(self._ids).sort()
        return ids.gather([len(ids) * place // n_files for place in range(1, n_files)]).unique(maintain_order=True)


class Spill:
    """Rows in files by user range, as `Tables`: filled once, then iterated over or rewritten file by file."""

    def __init__(self, folder: Path, bounds: pl.Series, schema: pl.Schema) -> None:
        folder.mkdir()
        self._bounds, self._paths = bounds, [folder / f"{place:03}.arrow" for place in range(len(bounds) + 1)]
        empty = schema.to_frame().to_arrow(compat_level=_PLAIN).schema
        self._writers = [pa.ipc.new_stream(str(path), empty) for path in self._paths]

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, rows: pl.DataFrame) -> None:
        """Append each row to the file of its user."""
        place = self._bounds.search_sorted(rows[USER_ID], side="right") if len(self._bounds) else pl.zeros(len(rows), pl.UInt32, eager=True)
        parts = rows.with_columns(place.alias("__file__")).partition_by("__file__", as_dict=True, include_key=False)
        for (number,), part in parts.items():
            self._writers[number].write_table(part.to_arrow(compat_level=_PLAIN))

    def close(self) -> None:
        """Finish filling."""
        for writer in self._writers:
            writer.close()

    def __call__(self, *columns: str) -> Iterator[pl.DataFrame]:
        return (pl.read_ipc_stream(path, columns=list(columns) or None).rechunk() for path in self._paths)

    def rewrite(self, change: Callable[[pl.DataFrame], pl.DataFrame], doing: str) -> None:
        """Replace each table by `change(table)`."""
        for path, table in progress(zip(self._paths, self(), strict=True), doing, len(self)):
            change(table).write_ipc_stream(path, compat_level=_PLAIN)
