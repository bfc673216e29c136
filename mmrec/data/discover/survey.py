"""Survey a folder of arbitrary files: its tables, with a sample of the rows of each, and its pictures."""

import glob
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from string import digits

import polars as pl

from mmrec.data.discover.synonyms import part_of
from mmrec.data.folder.settings import FILE
from mmrec.data.pictures.names import SUFFIXES as PICTURES
from mmrec.data.tables.aggregates import mean
from mmrec.data.tables.columns import Column, Kind, ReadTable, read_table
from mmrec.data.tables.delimited.header import looks_like_row, no_names
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems
from mmrec.data.tables.raw import TableFile
from mmrec.errors import DataError
from mmrec.files.compressed import COMPRESSIONS
from mmrec.files.locate import SUFFIXES, check_file, files_of, is_inside
from mmrec.files.unread_files import remedy_for
from mmrec.types import PARTS, SPLIT

SAMPLE_ROWS = 100_000
_LONGEST_ID = 64
_SHORTEST_PREFIX = 3
"""The length of the common prefix that file names must share to be parts of one table, unless they differ only in numbers."""

_SHOWN = 8
"""The number of columns that a sentence names."""


class Sample(TableFile):
    """A sample of rows in memory with the interface of the file it was taken from."""

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
    """A table in the surveyed folder."""

    name: str
    """The value for the settings: a file, a glob or a folder, relative to the data folder."""
    sample: Sample
    """The first rows."""
    n_files: int
    notes: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    """If the file names give training and test parts: part to the value for the settings."""
    _ids: dict[str, pl.Series] = field(default_factory=dict, repr=False, compare=False)

    @property
    def columns(self) -> list[str]:
        return self.sample.columns

    def __len__(self) -> int:
        return len(self.sample.scan().collect())

    def values(self, column: str) -> pl.Series:
        """The unparsed values of a column."""
        return self.sample.scan().select(column).collect()[column]

    def read(self, column: str, kind: Kind) -> ReadTable:
        """Parse a column as the given kind; the result is in the column `value`."""
        return read_table(self.sample, [Column("value", kind)], Problems(), {"value": column})

    def ids(self, column: str) -> pl.Series:
        """The distinct ids in a column; empty if its values cannot be ids: missing, too long, nested, or fractions."""
        if column not in self._ids:
            read = self.read(column, "id")
            found = read.frame["value"].unique(maintain_order=True)
            is_one = len(read.frame) >= 0.5 * len(self) and len(found) and mean(found.str.len_chars()) <= _LONGEST_ID
            is_fraction = found.str.contains(r"^-?\d+\.\d*$").any()
            self._ids[column] = found if is_one and not is_fraction else found.clear()
        return self._ids[column]

    def distinctness(self, column: str) -> float:
        """The number of distinct ids divided by the number of rows."""
        return len(self.ids(column)) / max(len(self), 1)


@dataclass(frozen=True)
class Survey:
    """The content of a folder."""

    folder: Path
    sources: tuple[Source, ...]
    pictures: tuple[str, ...]
    """Paths relative to the folder."""
    others: tuple[str, ...]
    """Other files, with the reason if a table cannot be read."""
    apart: tuple[str, ...] = ()
    """Sentences on files that are named like parts of one table but were not joined: which columns differ, and what to do."""

    @cached_property
    def stems(self) -> dict[str, str]:
        """Map the name of each picture without its suffix to its path."""
        return {Path(path).stem: path for path in self.pictures}


def survey_folder(folder: Path) -> Survey:
    """Survey all files below a folder except hidden ones; files with the same columns that belong together become one table.

    Tables whose names differ only in the part (train, valid, test) are joined, if there are at least train and test.
    """
    tables, pictures, others = defaultdict(list), [], []
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() in PICTURES:
            pictures.append(name)
        elif (path.with_suffix("") if path.suffix in COMPRESSIONS else path).suffix in SUFFIXES:
            try:
                check_file(path, folder)
                table = open_table(path)
                if not table.has_types and looks_like_row(table.columns):
                    raise DataError(no_names(table.columns))
                tables[_table_folder(path, folder), frozenset(table.columns)].append(path)
            except DataError as error:
                others.append(f"{name}: {str(error).removeprefix(f'{path}').lstrip(': ')}")
        else:
            remedy = remedy_for(path) if is_inside(path, folder) else ""
            others.append(f"{name}: {remedy}" if remedy else name)
    sources = []
    for paths in tables.values():
        for alike in _by_part(paths):
            for found in _together(folder, alike):
                try:
                    sources.append(_open(folder, found))
                except DataError as error:
                    others.append(f"{found.relative_to(folder)}: {error}")
    joined = tuple(_with_parts(sources))
    return Survey(folder, joined, tuple(pictures), tuple(others), tuple(_parts_apart(joined)))


def _by_part(paths: list[Path]) -> list[list[Path]]:
    """Group files of one folder and the same columns by part."""
    groups = defaultdict(list)
    for path in paths:
        groups[part_of(path.name)].append(path)
    return list(groups.values()) if len({part for part, _ in groups} - {""}) > 1 else [paths]


def _with_parts(sources: Sequence[Source]) -> Iterator[Source]:
    """Join the sources that are parts of one table."""
    groups = defaultdict(list)
    for source in sources:
        part, beside = _part_and_place(PurePosixPath(source.name))
        groups[beside, frozenset(source.columns), bool(part) or source.name].append((part, source))
    for group in groups.values():
        parts = dict(sorted(group, key=lambda one: PARTS.index(one[0]) if one[0] else 0))
        if len(parts) == len(group) and {PARTS[0], PARTS[-1]} <= set(parts) and SPLIT not in group[0][1].columns:
            yield _join(parts)
        else:
            yield from (source for _, source in group)


def _parts_apart(sources: Sequence[Source]) -> Iterator[str]:
    """Sentences on files that are named like parts of one table but have different columns."""
    groups = defaultdict(list)
    for source in sources:
        for name in source.parts.values() or [source.name]:
            part, beside = _part_and_place(PurePosixPath(name))
            if part:
                groups[beside].append((part, name, source.columns))
    for group in groups.values():
        parts = [part for part, _, _ in group]
        if len(set(parts)) < len(parts) or not {PARTS[0], PARTS[-1]} <= set(parts):
            continue
        columns = {name: found for _, name, found in sorted(group, key=lambda one: PARTS.index(one[0]))}
        if len({frozenset(found) for found in columns.values()}) > 1:
            yield (
                f"{', '.join(columns)} are named like parts of one table, but are not joined because their columns differ: "
                f"{_differences(columns)}; give them the same columns and run again with --force, or leave them "
                "apart, and check above which table each of them was taken for"
            )


def _differences(columns: Mapping[str, Sequence[str]]) -> str:
    """The columns that not all files have, grouped by the files that have them."""
    owners = defaultdict(list)
    for column in dict.fromkeys(column for one in columns.values() for column in one):
        having = tuple(name for name, one in columns.items() if column in one)
        if len(having) < len(columns):
            owners[having].append(f"`{column}`")
    shown = ((having, found if len(found) <= _SHOWN else [*found[:_SHOWN], "…"]) for having, found in owners.items())
    return ", ".join(f"{', '.join(found)} only in {' and '.join(having)}" for having, found in shown)


def _part_and_place(path: PurePosixPath) -> tuple[str, tuple[PurePosixPath, tuple[str, ...]]]:
    """The part in the name of a file, or else of its folder; the location of that file or folder, and the rest of its name."""
    for place in (path, path.parent):
        part, others = part_of(place.name)
        if part:
            return part, (place.parent, others)
    return "", (path.parent, ())


def _join(parts: Mapping[str, Source]) -> Source:
    found, names = list(parts.values()), {part: source.name for part, source in parts.items()}
    rows = pl.concat([source.sample.scan().select(found[0].columns) for source in found], how="vertical_relaxed").collect()
    notes = dict.fromkeys(note for source in found for note in source.notes)
    n_files = sum(source.n_files for source in found)
    return Source(", ".join(names.values()), Sample(rows, found[0].sample.has_types), n_files, tuple(notes), names)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent)
        yield from (here / name for name in sorted(files) if not name.startswith((".", "_")) and here / name != folder / FILE)


def _table_folder(path: Path, folder: Path) -> Path:
    """The folder of the table that a file belongs to: its own folder, or that above partitions such as `day=2024-01-01`."""
    own = next(parent for parent in path.parents if "=" not in parent.name or parent == folder)
    return path.parent if own == folder else own


def _together(folder: Path, paths: list[Path]) -> list[Path]:
    """Merge files of one folder with the same columns to the folder or a glob; one by one if neither matches exactly these files."""
    if len(paths) == 1:
        return paths
    parent = _table_folder(paths[0], folder)
    if parent != folder and files_of(parent) == paths:
        return [parent]
    alike = defaultdict(list)
    for path in paths:
        alike[re.sub(r"\d+", "0", path.name)].append(path)
    if 1 < len(alike) < len(paths):
        return [found for group in alike.values() for found in _together(folder, group)]
    start, end = _common_start(path.name for path in paths), _common_start(path.name[::-1] for path in paths)[::-1]
    together = parent / f"{glob.escape(start.rstrip(digits))}*{glob.escape(end.lstrip(digits))}"
    return [together] if (len(alike) == 1 or len(start) >= _SHORTEST_PREFIX) and files_of(together) == paths else paths


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
