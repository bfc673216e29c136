"""The file formats of tables, as raw as they come: CSV, TSV, JSONL and Parquet behind one interface that knows the place of every row.

Polars reads; where it gives up, Python's own parser either finds the faulty line, for a message, or can read the file after all
(a lone inch sign as in `5" screen`, say).
"""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from mmrec.errors import DataError, MissingFile, nearest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}


class TableFile(ABC):
    """A table in a file, its values as the file has them."""

    has_types: ClassVar[bool]
    """Whether the format tells numbers from text."""

    def __init__(self, path: Path):
        self.path = path

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The names of the columns. Raises DataError where the file is empty or not of its format."""

    @property
    @abstractmethod
    def frame(self) -> pl.DataFrame:
        """All rows but blank ones. Raises DataError at the first broken line."""

    @abstractmethod
    def place(self, row: int) -> str:
        """Where row `row` of the frame stands, for messages: `items.csv:17`."""


class DelimitedFile(TableFile):
    """Text with a header line and one separator; every column is String, an empty field is null."""

    has_types = False

    def __init__(self, path: Path, separator: str, quote_char: str | None = '"'):
        super().__init__(path)
        self.separator = separator
        self.quote_char = quote_char

    @cached_property
    def columns(self) -> list[str]:
        _, header = next(self._rows(), (0, []))
        if not header:
            raise DataError(f"{self.path}: expected a header line with the names of the columns, the file starts with none")
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise DataError(f"{self.path}:1: the column `{twice[0]}` is there twice")
        return header

    @cached_property
    def frame(self) -> pl.DataFrame:
        names = self.columns
        try:
            raw = pl.read_csv(self.path, separator=self.separator, quote_char=self.quote_char, infer_schema=False)
        except pl.exceptions.PolarsError:
            raw = self._frame_line_by_line()
        return raw.rename(dict(zip(raw.columns, names, strict=True))).filter(pl.any_horizontal(pl.all().fill_null("") != ""))

    def place(self, row: int) -> str:
        lines = (line for line, fields in self._rows() if any(fields))
        return f"{self.path}:{next(islice(lines, row + 1, None))}"  # the header is the first row

    def _frame_line_by_line(self) -> pl.DataFrame:
        names = self.columns
        rows = []
        for line, fields in self._rows():
            if len(fields) > len(names):
                row = self.separator.join(fields)[:80]
                raise DataError(f"{self.path}:{line}: expected {len(names)} fields, as the header has, found {len(fields)}: `{row}`")
            rows.append([field or None for field in fields] + [None] * (len(names) - len(fields)))
        return pl.DataFrame(rows[1:], schema=dict.fromkeys(names, pl.String), orient="row")

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line on which each row starts, and its fields; a blank line is a row without fields."""
        quoting = csv.QUOTE_NONE if self.quote_char is None else csv.QUOTE_MINIMAL
        with open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.separator, quotechar=self.quote_char, quoting=quoting, strict=True)
            line = 1
            try:
                for fields in reader:
                    yield line, fields
                    line = reader.line_num + 1
            except csv.Error as error:
                raise DataError(f"{self.path}:{line}: the quotes of this row don't match ({error})") from None
            except UnicodeDecodeError as error:
                raise _not_utf8(self.path, error) from None


class JsonLinesFile(TableFile):
    """One JSON object a line; a key that a line lacks is null. Blank lines are skipped."""

    has_types = True

    @property
    def columns(self) -> list[str]:
        return self.frame.columns

    @cached_property
    def frame(self) -> pl.DataFrame:
        try:
            return pl.read_ndjson(self.path, infer_schema_length=None)
        except pl.exceptions.PolarsError:
            records = [self._parse(line, text) for line, text in self._lines()]
        if not records:
            raise DataError(f"{self.path}: expected one JSON object a line, the file is empty")
        return pl.DataFrame(records, infer_schema_length=None, strict=False)

    def place(self, row: int) -> str:
        line, _ = next(islice(self._lines(), row, None))
        return f"{self.path}:{line}"

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            with open(self.path, encoding="utf-8") as file:
                yield from ((line, text) for line, text in enumerate(file, 1) if text.strip())
        except UnicodeDecodeError as error:
            raise _not_utf8(self.path, error) from None

    def _parse(self, line: int, text: str) -> dict[str, Any]:
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{self.path}:{line}:{error.colno}: not JSON: {error.msg}") from None
        if not isinstance(record, dict):
            raise DataError(f"{self.path}:{line}: expected a JSON object, found `{text.strip()[:80]}`")
        return record


class ParquetFile(TableFile):
    """Parquet; columns have types of their own."""

    has_types = True

    @cached_property
    def columns(self) -> list[str]:
        return list(self._read(pl.read_parquet_schema))

    @cached_property
    def frame(self) -> pl.DataFrame:
        return self._read(pl.read_parquet)

    def place(self, row: int) -> str:
        return f"{self.path}:row {row + 1}"

    def _read(self, reader: Any) -> Any:
        try:
            return reader(self.path)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self.path}: not a Parquet file: {str(error).splitlines()[0]}") from None


def open_table(path: Path, separator: str | None = None, quote_char: str | None = '"') -> TableFile:
    """The table in a file; its format is told by the suffix, or it is delimited text where a separator is given.

    Raises MissingFile where the file is not there, DataError for any other suffix.
    """
    if not path.is_file():
        raise missing_file(path)
    if separator is None and path.suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, found `{path.suffix}`")
    if separator is not None or path.suffix in _SEPARATORS:
        return DelimitedFile(path, separator or _SEPARATORS[path.suffix], quote_char)
    return JsonLinesFile(path) if path.suffix == ".jsonl" else ParquetFile(path)


def find_table(folder: Path, stem: str) -> Path | None:
    """The table called `stem` in a folder, whichever format it has; None where there is none. Raises DataError where there are two."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one `{stem}` table, found {' and '.join(path.name for path in found)}; remove all but one")
    return found[0] if found else None


def missing_file(path: Path) -> MissingFile:
    """The error for a path that is not there: names the nearest one beside it, or the part of the path that is missing."""
    missing = next(part for part in (path, *path.parents) if part.parent.is_dir())
    through = "" if missing == path else f": there is no {missing}"
    return MissingFile(f"{path} does not exist{through}; {nearest(missing.name, (entry.name for entry in missing.parent.iterdir()))}")


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    line = path.read_bytes().count(b"\n", 0, error.start) + 1
    return DataError(f"{path}:{line}: expected UTF-8 text, found the byte 0x{error.object[error.start]:02x}; save the file as UTF-8")
