"""Interactions on disk, in files that each hold a range of users: what does not fit into memory at once, a file at a time does.

The ranges are in text order, so the files one after another are in the order in which splits have their rows.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from mmrec.files.progress import progress
from mmrec.types import USER_ID

ROWS_A_FILE, MAX_FILES = 2**17, 256
"""Rows that a file has on average; more where that would be more files. All rows of one user are in one file."""
_SAMPLE = 2**17
_PLAIN = pl.CompatLevel.oldest()
"""The layout that holds no more text than its rows have."""


class Sample:
    """Ids drawn evenly from however many: every so many-th of a stream, ever fewer as it gets longer."""

    def __init__(self) -> None:
        self.n, self._step = 0, 1
        self._ids: list[pl.Series] = []

    def add(self, ids: pl.Series) -> None:
        """The next ids, nulls left out."""
        ids = ids.drop_nulls()
        self._ids.append(ids.gather_every(self._step, offset=-self.n % self._step))
        self.n += len(ids)
        while sum(map(len, self._ids)) > _SAMPLE:
            whole = pl.concat(self._ids)
            self._ids, self._step = [whole.gather_every(2)], 2 * self._step

    def bounds(self) -> pl.Series:
        """The first user of every range but the first, ascending, such that the ranges have about as many rows each."""
        n_files = min(-(-self.n // ROWS_A_FILE), MAX_FILES)
        if n_files < 2:
            return pl.Series(dtype=pl.String)
        ids = pl.concat(self._ids).sort()
        return ids.gather([len(ids) * place // n_files for place in range(1, n_files)]).unique(maintain_order=True)


class Spill:
    """Rows in files by range of user, as `Tables`: to be filled once, then gone through, or changed, file by file."""

    def __init__(self, folder: Path, bounds: pl.Series, schema: pl.Schema) -> None:
        folder.mkdir()
        self._bounds, self._paths = bounds, [folder / f"{place:03}.arrow" for place in range(len(bounds) + 1)]
        empty = schema.to_frame().to_arrow(compat_level=_PLAIN).schema
        self._writers = [pa.ipc.new_stream(str(path), empty) for path in self._paths]

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, rows: pl.DataFrame) -> None:
        """Puts each row into the file of its user."""
        place = self._bounds.search_sorted(rows[USER_ID], side="right") if len(self._bounds) else pl.zeros(len(rows), pl.UInt32, eager=True)
        parts = rows.with_columns(place.alias("__file__")).partition_by("__file__", as_dict=True, include_key=False)
        for (number,), part in parts.items():
            self._writers[number].write_table(part.to_arrow(compat_level=_PLAIN))

    def close(self) -> None:
        """Ends the filling."""
        for writer in self._writers:
            writer.close()

    def __call__(self, *columns: str) -> Iterator[pl.DataFrame]:
        return (pl.read_ipc_stream(path, columns=list(columns) or None).rechunk() for path in self._paths)

    def rewrite(self, change: Callable[[pl.DataFrame], pl.DataFrame], doing: str) -> None:
        """Puts what `change` makes of each table in its place."""
        for path, table in progress(zip(self._paths, self(), strict=True), doing, len(self)):
            change(table).write_ipc_stream(path, compat_level=_PLAIN)
