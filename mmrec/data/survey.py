"""A look at a folder of any files: the tables in it, with a sample of the rows of each, and the pictures."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from string import digits

import polars as pl

from mmrec.data.compressed import COMPRESSIONS
from mmrec.data.find import SUFFIXES, files_of
from mmrec.data.formats import open_table
from mmrec.data.picture_names import SUFFIXES as PICTURES
from mmrec.data.problems import Problems
from mmrec.data.read import Column, ReadTable, read_table
from mmrec.data.settings import FILE
from mmrec.data.table_file import TableFile
from mmrec.errors import DataError

SAMPLE_ROWS = 100_000
_LONGEST_ID = 64
_SHORTEST_PREFIX = 3
"""Letters that the names of files must share at the start to be the parts of one table, where they differ in more than numbers."""


class Sample(TableFile):
    """Rows in memory, read like the file that they come from."""

    def __init__(self, frame: pl.DataFrame, has_types: bool) -> None:
        super().__init__(Path("sample"))
        self._frame, self.has_types = frame, has_types

    @property
    def columns(self) -> list[str]:
        return self._frame.columns

    def scan(self) -> pl.LazyFrame:
        return self._frame.lazy()

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        return self.scan()

    def places(self, rows: Sequence[int]) -> list[str]:
        return [str(row) for row in rows]


@dataclass(frozen=True)
class Source:
    """One table of the folder."""

    name: str
    """As settings name it: a file, a glob or a folder, relative to the data folder."""
    sample: Sample
    """Its first rows."""
    n_files: int
    notes: tuple[str, ...] = ()
    _ids: dict[str, pl.Series] = field(default_factory=dict, repr=False, compare=False)

    @property
    def columns(self) -> list[str]:
        return self.sample.columns

    def __len__(self) -> int:
        return len(self.sample.scan().collect())

    def values(self, column: str) -> pl.Series:
        """The values of a column, as the file has them."""
        return self.sample.scan().select(column).collect()[column]

    def read(self, column: str, kind: str) -> ReadTable:
        """The values of a column that can be read as a kind of `Column`, under the name `value`."""
        return read_table(self.sample, [Column("value", kind)], Problems(), {"value": column})

    def ids(self, column: str) -> pl.Series:
        """The distinct values of a column as ids; empty where they are none: missing, too long, nested, or fractions."""
        if column not in self._ids:
            read = self.read(column, "id")
            found = read.frame["value"].unique(maintain_order=True)
            is_one = len(read.frame) >= 0.5 * len(self) and len(found) and found.str.len_chars().mean() <= _LONGEST_ID
            is_fraction = found.str.contains(r"^-?\d+\.\d*$").any()
            self._ids[column] = found if is_one and not is_fraction else found.clear()
        return self._ids[column]

    def distinctness(self, column: str) -> float:
        """Distinct ids by rows: 1 where each row has its own."""
        return len(self.ids(column)) / max(len(self), 1)


@dataclass(frozen=True)
class Survey:
    """What is in a folder."""

    folder: Path
    sources: tuple[Source, ...]
    pictures: tuple[str, ...]
    """Relative to the folder."""
    others: tuple[str, ...]
    """Files that are neither, with the reason where a table cannot be read."""

    @cached_property
    def stems(self) -> dict[str, str]:
        """The name of each picture without its suffix, to its path."""
        return {Path(path).stem: path for path in self.pictures}


def survey_folder(folder: Path) -> Survey:
    """Looks at every file below a folder, hidden ones left out; files of the same columns that belong together are one table."""
    tables, pictures, others = defaultdict(list), [], []
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in PICTURES:
            pictures.append(name)
        elif (path.with_suffix("") if path.suffix in COMPRESSIONS else path).suffix in SUFFIXES:
            try:
                tables[path.parent, frozenset(open_table(path).columns)].append(path)
            except DataError as error:
                others.append(f"{name}: {str(error).removeprefix(f'{path}').lstrip(': ')}")
        else:
            others.append(name)
    sources = []
    for paths in tables.values():
        for found in _together(folder, paths):
            try:
                sources.append(_open(folder, found))
            except DataError as error:
                others.append(f"{found.relative_to(folder)}: {error}")
    return Survey(folder, tuple(sources), tuple(pictures), tuple(others))


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent)
        yield from (here / name for name in sorted(files) if not name.startswith((".", "_")) and here / name != folder / FILE)


def _together(folder: Path, paths: list[Path]) -> list[Path]:
    """Files of one folder with the same columns as the folder, a glob, or, where neither means just them, one by one."""
    if len(paths) == 1:
        return paths
    parent = paths[0].parent
    if parent != folder and files_of(parent) == paths:
        return [parent]
    alike = defaultdict(list)
    for path in paths:
        alike[re.sub(r"\d+", "0", path.name)].append(path)
    if 1 < len(alike) < len(paths):
        return [found for group in alike.values() for found in _together(folder, group)]
    start, end = _common_start(path.name for path in paths), _common_start(path.name[::-1] for path in paths)[::-1]
    glob = parent / f"{start.rstrip(digits)}*{end.lstrip(digits)}"
    return [glob] if (len(alike) == 1 or len(start) >= _SHORTEST_PREFIX) and files_of(glob) == paths else paths


def _common_start(names: Iterable[str]) -> str:
    return "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False)))


def _open(folder: Path, path: Path) -> Source:
    table = open_table(path)
    try:
        rows = table.scan().head(SAMPLE_ROWS).collect()
    except pl.exceptions.PolarsError:
        rows = table.salvage(Problems()).head(SAMPLE_ROWS).collect()
    if rows.is_empty():
        raise DataError("it has no rows")
    files = files_of(path)
    notes = dict.fromkeys(note.removeprefix(f"{one} ") for one in files for note in table.notes if note.startswith(f"{one} "))
    return Source(path.relative_to(folder).as_posix(), Sample(rows, table.has_types), len(files), tuple(notes))
