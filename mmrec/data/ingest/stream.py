"""Read a table larger than memory piece by piece, with the same rows, problems and notes as `mmrec.data.tables.columns.read_table`.

The table is read twice: first two columns for what parsing depends on, the time unit and the distribution of users, then all columns. Row
numbers and problems of rows that cannot be used are kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from mmrec.data.ingest.spill import Sample
from mmrec.data.tables.columns import (
    ROW,
    Column,
    ReadTable,
    any_bad,
    in_seconds,
    kind_notes,
    match_columns,
    parse,
    parsers,
    report,
    text_ids,
    time_units,
)
from mmrec.data.tables.id_checks import Kinds
from mmrec.data.tables.problems import Problems
from mmrec.data.tables.raw import TableFile
from mmrec.files.progress import progress
from mmrec.types import USER_ID

ROWS_A_PIECE = 2**18
"""The number of rows in memory at a time."""


class Stream:
    """A table of interactions that is read in pieces.

    Args:
        file, columns, names: as in `mmrec.data.tables.columns.read_table`.
        problems: collects what cannot be read: broken lines as they occur, other values in `finish`.
    """

    def __init__(self, file: TableFile, columns: Sequence[Column], problems: Problems, names: Mapping[str, str]) -> None:
        self._file, self._problems = file, problems
        self._found = match_columns(file, columns, names)
        self._known = [column for column in columns if column.name in self._found]
        self._salvaged: pl.LazyFrame | None = None
        self._units = time_units(self._known)
        self._time_notes: tuple[str, ...] = ()
        self._bad: list[pl.DataFrame] = []
        self._kinds: dict[str, Kinds] = {}
        self.n_rows = 0
        """The number of rows in the file without broken lines."""

    def through(self, begin: Callable[[Sample, pl.Schema], None], put: Callable[[pl.DataFrame, pl.Series], None]) -> None:
        """Read the table.

        Calls `begin` with a sample of the users and the schema, then `put` for each piece with its usable rows and their row numbers. If a
        line is broken, everything starts again with the file read into memory line by line.
        """
        try:
            self._through(begin, put)
        except pl.exceptions.PolarsError:
            if self._salvaged is not None:
                raise
            self._salvaged = self._file.salvage(self._problems)
            self._through(begin, put)

    def _through(self, begin: Callable[[Sample, pl.Schema], None], put: Callable[[pl.DataFrame, pl.Series], None]) -> None:
        begin(self._survey(), self._schema)
        self._bad, self._kinds = [], {column.name: Kinds() for column in text_ids(self._known, self._file)}
        for parsed in self._parsed(self._known, "reading"):
            parsed = in_seconds(parsed, self._units)
            is_bad = parsed.select(any_bad(self._known)).to_series()
            if is_bad.any():
                self._bad.append(parsed.filter(is_bad).drop(self._names))
                parsed = parsed.filter(~is_bad)
            for name, kinds in self._kinds.items():
                kinds.add(parsed[name], parsed[ROW])
            put(parsed.select(self._names), parsed[ROW])

    def _survey(self) -> Sample:
        self._units = time_units(self._known)
        looked_at = [column for column in self._known if column.name in (USER_ID, *self._units)]
        users = Sample()
        for piece in self._parsed(looked_at, "looking"):
            users.add(piece[USER_ID])
            for name, units in self._units.items():
                units.add(piece, name)
        self._time_notes = tuple(note for name, units in self._units.items() for note in units.notes(name, self._file))
        return users

    def _parsed(self, columns: Sequence[Column], doing: str) -> Iterator[pl.DataFrame]:
        expressions, start, n_pieces = parsers(self._raw, columns, self._found), 0, -(-self.n_rows // ROWS_A_PIECE) or None
        for piece in progress(self._pieces(), f"{doing} {self._file.path.name}", n_pieces):
            parsed = parse(piece, expressions, start)
            start += len(parsed)
            yield parsed
        self.n_rows = start

    def _pieces(self) -> Iterator[pl.LazyFrame]:
        if self._salvaged is None:
            yield from self._file.pieces(ROWS_A_PIECE)
            return
        for piece in self._salvaged.collect().iter_slices(ROWS_A_PIECE):
            yield piece.lazy()

    def finish(self) -> ReadTable:
        """Report all problems and return an empty table with the row numbers of rejected rows and the notes."""
        notes, bad = self._time_notes, pl.Series(ROW, dtype=pl.Int64)
        if self._bad:
            bad = report(pl.concat(self._bad), self._raw, self._known, self._found, self._file, self._problems)
        for column in text_ids(self._known, self._file):
            notes += kind_notes(self._kinds[column.name], column, self._file)
        return ReadTable(self._file, self._schema.to_frame(), bad.clear(), bad, self._file.notes + notes, self._raw)

    @property
    def _raw(self) -> pl.LazyFrame:
        return self._salvaged if self._salvaged is not None else self._file.scan()

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self._known]

    @property
    def _schema(self) -> pl.Schema:
        nothing = self._raw.head(0).collect().lazy()
        return parse(nothing, parsers(nothing, self._known, self._found)).select(self._names).schema
