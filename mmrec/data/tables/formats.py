"""The file formats of tables, as raw as they come: CSV, TSV, JSONL, Parquet and graphs, compressed or not, in one file or many.

Polars reads. Where it gives up, Python's own parser goes line by line: what it can read after all (a lone inch sign as in `5" screen`, say)
is read, and every line that it cannot is a problem with its place.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from mmrec.data.tables.graphs import open_graph
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import Parts, TableFile, TextFile
from mmrec.data.tables.separator import NAMES, find_separator
from mmrec.errors import DataError
from mmrec.files.compressed import COMPRESSIONS, check_compressed
from mmrec.files.locate import SUFFIXES, files_of, missing_file

MAX_COLUMNS = 10_000
MAX_ROWS, MAX_ROWS_A_BYTE = 10_000_000, 100
"""Of a Parquet file: it may have either. Rows that are all alike take next to no space in a file, and much of it in memory."""
_LONGEST_HEADER = 2**20
"""Characters that are looked at for the separator."""
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ","}


class DelimitedFile(TextFile):
    """Text with a header line and one separator; every column is String, an empty field is null."""

    has_types = False

    def __init__(self, path: Path, separator: str, quote_char: str | None = '"') -> None:
        self.separator, self.quote_char = separator, quote_char
        super().__init__(path)

    def guess_separator(self) -> None:
        """Reads with another separator from now on, where the header has several columns only under that."""
        with self.open(errors="replace") as file:
            found = find_separator(file.readline(_LONGEST_HEADER), self.separator)
        if found != self.separator:
            self.separator, self.notes = found, (*self.notes, f"{self.path} is separated by {NAMES[found]}")

    @cached_property
    def columns(self) -> list[str]:
        try:
            header = next((fields for _, fields, _ in self._rows()), [])
        except UnicodeDecodeError:
            self.guess_encoding()
            header = next((fields for _, fields, _ in self._rows()), [])
        if not header:
            raise DataError(f"{self.path}: expected a header line with the names of the columns, the file starts with none")
        if len(header) > MAX_COLUMNS:
            raise DataError(f"{self.path}:1: {len(header):,} columns, more than {MAX_COLUMNS:,}: is it a table?")
        twice = sorted(name for name, count in Counter(header).items() if count > 1)
        if twice:
            raise DataError(f"{self.path}:1: the column `{twice[0]}` is there twice")
        return header

    def scan(self) -> pl.LazyFrame:
        names = self.columns
        raw = pl.scan_csv(self.source, separator=self.separator, quote_char=self.quote_char, schema=dict.fromkeys(names, pl.String))
        return raw.filter(pl.any_horizontal(pl.all().fill_null("") != ""))

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        names, lines, rows, broken, broken_lines = self.columns, [], [], {}, []
        for line, fields, reason in self._rows():
            code = "broken-quotes" if reason else "too-many-fields"
            if len(fields) > len(names):
                shown = self.separator.join(fields)[:80]
                reason = f"expected {len(names)} fields, as the header has, found {len(fields)}: `{shown}`"
            if reason:
                broken.setdefault(code, []).append(Problem(code, f"{self.path}:{line}", reason))
                broken_lines.append(line)
            elif any(fields):
                lines.append(line)
                rows.append([field or None for field in fields] + [None] * (len(names) - len(fields)))
        for found in broken.values():
            problems.add(str(self.path), found)
        self._lines, self.broken = lines[1:], tuple(broken_lines)
        return pl.LazyFrame(rows[1:], schema=dict.fromkeys(names, pl.String), orient="row")

    def _row_lines(self) -> Iterator[int]:
        lines = (line for line, fields, reason in self._rows() if any(fields) and not reason)
        next(lines, None)  # the header
        return lines

    def _rows(self) -> Iterator[tuple[int, list[str], str]]:
        """The line on which each row starts, its fields, and what is wrong with its quotes; a blank line is a row without fields."""
        quoting = csv.QUOTE_NONE if self.quote_char is None else csv.QUOTE_MINIMAL
        with self.open() as file:
            ahead: list[str] = []

            def lines() -> Iterator[str]:
                for text in file:
                    ahead.append(text)
                    yield text

            start, source = 1, lines()
            while True:
                reader = csv.reader(source, delimiter=self.separator, quotechar=self.quote_char, quoting=quoting, strict=True)
                try:
                    for fields in reader:
                        yield start, fields, ""
                        start, ahead[:] = start + len(ahead), []
                    return
                except csv.Error as error:  # a quote that is never closed swallows all lines to the end: go on with the next line
                    yield start, [], f"the quotes of this row don't match ({error})"
                    start, again = start + 1, ahead[1:]
                    ahead[:] = []
                    source = _tracked(again, ahead, source)


def _tracked(again: list[str], ahead: list[str], rest: Iterator[str]) -> Iterator[str]:
    for text in again:
        ahead.append(text)
        yield text
    yield from rest


class JsonLinesFile(TextFile):
    """One JSON object a line; a key that a line lacks is null. Blank lines are skipped. Given a schema, only its keys are read."""

    has_types = True

    def __init__(self, path: Path, schema: Mapping[str, pl.DataType | type[pl.DataType]] | None = None) -> None:
        self.schema = schema
        super().__init__(path)

    @cached_property
    def columns(self) -> list[str]:
        if self.schema is not None:
            return list(self.schema)
        try:
            return self.scan().collect_schema().names()
        except pl.exceptions.PolarsError:
            return self.salvage(Problems()).collect_schema().names()

    def scan(self) -> pl.LazyFrame:
        if self.schema is not None:
            return pl.scan_ndjson(self.source, schema=self.schema, ignore_errors=True)
        raw = pl.scan_ndjson(self.source, infer_schema_length=None)
        if any(dtype.is_nested() for dtype in raw.collect_schema().dtypes()):  # values of which some may turn out to be of another kind
            return raw.collect().lazy()
        return raw

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        lines, records, broken, broken_lines = [], [], [], []
        for line, text in self._texts():
            try:
                record = json.loads(text)
                if not isinstance(record, dict):
                    raise ValueError(f"expected a JSON object, found `{text.strip()[:80]}`")
                json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
                lines.append(line)
                records.append({key: record.get(key) for key in self.schema} if self.schema else record)
            except json.JSONDecodeError as error:
                broken_lines.append(line)
                broken.append(Problem("not-json", f"{self.path}:{line}:{error.colno}", f"not JSON: {error.msg}"))
            except (ValueError, RecursionError) as error:
                broken_lines.append(line)
                reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
                broken.append(Problem("not-json", f"{self.path}:{line}", reason))
        if broken:
            problems.add(str(self.path), broken)
        if not records and not broken:
            raise DataError(f"{self.path}: expected one JSON object a line, the file is empty")
        self._lines, self.broken = lines, tuple(broken_lines)
        try:
            return pl.LazyFrame(records, self.schema, infer_schema_length=None, strict=False)
        except (pl.exceptions.PolarsError, TypeError, OverflowError):  # lists and objects where others have texts: as JSON
            flat = [{k: json.dumps(v) if isinstance(v, list | dict) else v and str(v) for k, v in one.items()} for one in records]
            return pl.LazyFrame(flat, infer_schema_length=None, strict=False)

    def _row_lines(self) -> Iterator[int]:
        return (line for line, _ in self._texts())

    def _texts(self) -> Iterator[tuple[int, str]]:
        with self.open() as file:
            yield from ((line, text) for line, text in enumerate(file, 1) if text.strip())


class ParquetFile(TableFile):
    """Parquet; columns have types of their own."""

    has_types = True

    @cached_property
    def columns(self) -> list[str]:
        try:
            names, n_rows = list(pl.read_parquet_schema(self.path)), pl.scan_parquet(self.path).select(pl.len()).collect().item()
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self.path}: not a Parquet file: {str(error).splitlines()[0]}") from None
        if n_rows > max(MAX_ROWS, MAX_ROWS_A_BYTE * self.path.stat().st_size):
            raise DataError(f"{self.path}: {n_rows:,} rows in {self.path.stat().st_size:,} bytes, more than any table of use has")
        return names

    def scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.path)

    def pieces(self, n_rows: int) -> Iterator[pl.LazyFrame]:
        starts = range(0, self.scan().select(pl.len()).collect().item(), n_rows)
        return (self.scan().slice(start, n_rows) for start in starts)  # each reads its row groups alone, and keeps nothing

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        raise DataError(f"{self.path}: not a Parquet file, or a damaged one")

    def places(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.path}:row {row + 1}" for row in rows]


def open_table(path: Path, separator: str | None = None, quote_char: str | None = '"') -> TableFile:
    """The table in a file, or in all files of a folder or glob; its format is told by the suffix.

    It is delimited text where a separator is given. Raises MissingFile where the file is not there, DataError for any other suffix.
    """
    files = files_of(path)
    if path.is_dir() and not files:
        raise DataError(f"{path}: expected the files of a table, the folder is empty")
    if not files:
        raise missing_file(path)
    if files != [path]:
        return Parts(path, [open_table(part, separator, quote_char) for part in files])
    check_compressed(path)
    suffix = _suffix(path)
    if separator is None and suffix not in SUFFIXES:
        expected = ", ".join(SUFFIXES)
        raise DataError(f"{path}: expected a file that ends in {expected}, each perhaps with .gz or .zst, found `{path.suffix}`")
    if separator is not None or suffix in _SEPARATORS:
        table = DelimitedFile(path, separator or _SEPARATORS[suffix], quote_char)
        if separator is None:
            table.guess_separator()
        return table
    if suffix in (".jsonl", ".parquet"):
        return JsonLinesFile(path) if suffix == ".jsonl" else ParquetFile(path)
    return open_graph(path)


def open_labelled(files: Mapping[str, Path], column: str) -> TableFile:
    """The table in several files (or folders, or globs), in this order, with a column that says by what label each row's file goes.

    Raises what `open_table` does, and DataError where their columns differ, or the column is there already.
    """
    paths = list(files.values())
    joined = paths[0].with_name(", ".join(path.name for path in paths))
    return Parts(joined, [open_table(path) for path in paths], column, list(files))


def _suffix(path: Path) -> str:
    """That of the format, below one of compression."""
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
