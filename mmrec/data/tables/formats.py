"""Readers for the table formats: CSV, TSV, JSON Lines, Parquet and graph files, compressed or not, in one file or several.

Polars parses the files. If it fails, Python's own parser reads line by line: it accepts some lines that Polars rejects (for example with an
unpaired inch sign, as in `5" screen`), and every line that it rejects becomes a problem with its position.
"""

import csv
import glob
import io
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import polars as pl

from mmrec.data.tables.delimited.encoding import TextEncoding, odd_bytes
from mmrec.data.tables.delimited.header import looks_like_row, make_names, no_names
from mmrec.data.tables.delimited.separator import NAMES, find_separator
from mmrec.data.tables.graphs import keep_blank_nodes_apart, open_graph
from mmrec.data.tables.json_numbers import NumbersAsText
from mmrec.data.tables.nesting import any_json_is_deeper, json_is_deeper, n_fields
from mmrec.data.tables.parquet_size import check_parquet
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import Parts, TableFile, TextFile
from mmrec.errors import DataError
from mmrec.files.compressed import COMPRESSIONS, check_compressed, check_holes
from mmrec.files.limits import DEFAULTS, Limits, key_of
from mmrec.files.locate import SUFFIXES, files_of, missing_file, partitions
from mmrec.files.unread_files import remedy_for

_LONGEST_HEADER = 2**20
"""The number of characters inspected to find the separator."""
_EXPECTED_TEXT = "expected one encoding throughout (data.encoding= says which, if it is not UTF-8)"
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ","}
_WIDE = 64
"""The number of columns above which planning an expression over all of them in Polars is slower than a Python loop."""


class DelimitedFile(TextFile):
    """Delimited text with a header line; every column is String, and an empty field is null."""

    has_types = False

    def __init__(
        self,
        path: Path,
        separator: str,
        quote_char: str | None = '"',
        limits: Limits = DEFAULTS,
        encoding: TextEncoding | None = None,
        has_header: bool = True,
    ) -> None:
        self.separator, self.quote_char, self.limits = separator, quote_char, limits
        super().__init__(path, encoding)
        self.has_header = has_header
        if not has_header:
            self.notes = (
                *self.notes,
                f"{path} is read without a header line: its columns are column_1, column_2, …, the first ones the ids",
            )

    def guess_separator(self) -> None:
        """Switch to another separator if the header has several columns under that one only."""
        with self.open() as file:
            found = find_separator(file.readline(_LONGEST_HEADER), self.separator)
        if found != self.separator:
            self.separator, self.notes = found, (*self.notes, f"{self.path} is separated by {NAMES[found]}")

    @cached_property
    def columns(self) -> list[str]:
        header = next((fields for _, fields, _ in self._rows()), [])
        if odd_bytes("".join(header)):
            self._settle_encoding()
            header = next((fields for _, fields, _ in self._rows()), [])
        if odd := odd_bytes(self.separator.join(header)):
            raise DataError(f"{self.path}:1: {_EXPECTED_TEXT}, found {odd}")
        if not header:
            raise DataError(f"{self.path}: expected a header line with the names of the columns, the file starts with none")
        self.limits.check_columns(f"{self.path}:1", len(header))
        self.check_cells(len(header), self.limits)
        if not self.has_header:
            return make_names(len(header))
        if looks_like_row(header):
            self.notes = (*self.notes, f"{self.path}:1: {no_names(header)}")
        twice = sorted(name for name, count in Counter(header).items() if count > 1)
        if twice:
            row = f"; {no_names(header)}" if looks_like_row(header) else ""
            raise DataError(f"{self.path}:1: the column `{twice[0]}` is repeated{row}")
        return header

    def scan(self) -> pl.LazyFrame:
        names = self.columns
        schema = dict.fromkeys(names, pl.String)
        raw = pl.scan_csv(
            self.source, schema=schema, glob=False, separator=self.separator, quote_char=self.quote_char, has_header=self.has_header
        )
        if len(names) > _WIDE:
            return raw.map_batches(_without_blank_rows, schema=schema, streamable=True)
        return raw.filter(pl.any_horizontal(pl.all().fill_null("") != ""))

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        names, lines, rows, broken_lines = self.columns, [], [], []
        broken: dict[str, list[Problem]] = {}
        for line, fields, reason in self._rows():
            code, odd = "broken-quotes" if reason else "too-many-fields", odd_bytes(self.separator.join(fields))
            if odd:
                code, reason = "odd-bytes", f"{_EXPECTED_TEXT}, found {odd}"
            elif len(fields) > len(names):
                reason = f"expected {len(names)} fields, as the header has, found {len(fields)}: `{self.separator.join(fields)[:80]}`"
            if reason:
                broken.setdefault(code, []).append(Problem(code, f"{self.path}:{line}", reason))
                broken_lines.append(line)
            elif any(fields):
                lines.append(line)
                rows.append([field or None for field in fields] + [None] * (len(names) - len(fields)))
        for found in broken.values():
            problems.add(str(self.path), found)
        self._lines, self.broken = lines[self.has_header :], tuple(broken_lines)
        return pl.LazyFrame(rows[self.has_header :], schema=dict.fromkeys(names, pl.String), orient="row")

    def _row_lines(self) -> Iterator[int]:
        lines = (line for line, fields, reason in self._rows() if any(fields) and not reason)
        if self.has_header:
            next(lines, None)
        return lines

    def _rows(self) -> Iterator[tuple[int, list[str], str]]:
        """For each row: the line it starts on, its fields, and what is wrong with its quotes. A blank line is a row without fields."""
        quoting: Literal[0, 3] = csv.QUOTE_NONE if self.quote_char is None else csv.QUOTE_MINIMAL
        with self.open() as file:
            ahead: list[str] = []  # lines of the current row
            again: deque[str] = deque()  # lines consumed by a row with unbalanced quotes, to be read again

            def lines() -> Iterator[str]:
                while (text := again.popleft() if again else next(file, None)) is not None:
                    ahead.append(text)
                    yield text

            start = 1
            while True:
                reader = csv.reader(lines(), delimiter=self.separator, quotechar=self.quote_char, quoting=quoting, strict=True)
                try:
                    for fields in reader:
                        yield start, fields, ""
                        start, ahead[:] = start + len(ahead), []
                    return
                except csv.Error as error:  # an unclosed quote consumes the rest of the file: resume at the next line
                    yield start, [], f"the quotes of this row don't match ({error})"
                    again.extendleft(reversed(ahead[1:]))
                    start, ahead[:] = start + 1, []


def _without_blank_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop rows without any value; usually the first column already shows that there are none."""
    is_blank = pl.repeat(True, len(frame), eager=True)
    for values in frame:
        is_blank &= values.is_null() | (values == "")
        if not is_blank.any():
            return frame
    return frame.filter(~is_blank)


class JsonLinesFile(TextFile):
    """JSON Lines: one object per line. A missing key is null, blank lines are skipped; with a schema, only its keys are read."""

    has_types = True

    def __init__(
        self,
        path: Path,
        schema: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
        limits: Limits = DEFAULTS,
        encoding: TextEncoding | None = None,
    ) -> None:
        self.schema, self.limits, self._numbers = schema, limits, NumbersAsText(())
        super().__init__(path, encoding)

    @cached_property
    def columns(self) -> list[str]:
        if self.schema is not None:
            return list(self.schema)
        try:
            return self.scan().collect_schema().names()
        except pl.exceptions.PolarsError:
            problems = Problems()
            names = self.salvage(problems).collect_schema().names()
            if not names:  # no line is an object: report that rather than missing columns
                problems.raise_any()
            return names

    def keep_text(self, columns: Sequence[str]) -> None:
        self._numbers = NumbersAsText(columns)

    def scan(self) -> pl.LazyFrame:
        if self._is_too_deep:
            raise pl.exceptions.ComputeError("lists and objects are nested too deeply")
        if self.schema is not None:
            raw = pl.scan_ndjson(self._glob, schema=self.schema, ignore_errors=True)
        else:
            raw = pl.scan_ndjson(self._glob, infer_schema_length=None)
        schema = raw.collect_schema()
        self._check_size(n_fields(schema))
        if self._numbers.are_odd(self.blocks):
            lines = pl.scan_lines(self.source, name="line", glob=False).filter(pl.col("line").str.strip_chars() != "")
            dtype = pl.Struct(schema | dict.fromkeys(self._numbers.keys, pl.String))
            return lines.select(self._numbers.quoted(pl.col("line")).str.json_decode(dtype)).unnest("line")
        if self.schema is None and any(dtype.is_nested() for dtype in schema.dtypes()):
            return raw.collect().lazy()  # fail now, not later, if nested values have conflicting types
        return raw

    def _check_size(self, n_columns: int) -> None:
        self.limits.check_columns(self.path, n_columns)
        self.check_cells(n_columns, self.limits)

    @cached_property
    def _is_too_deep(self) -> bool:
        return any_json_is_deeper(self.blocks(), self.limits.nesting)

    @property
    def _glob(self) -> str | io.BytesIO:
        """The source, with its path escaped: Polars treats every path of this format as a glob pattern."""
        return glob.escape(str(self.source)) if isinstance(self.source, Path) else self.source

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        lines, records, broken_lines = [], [], []
        broken: dict[str, list[Problem]] = {}
        for line, text in self._texts():
            code, odd = "not-json", odd_bytes(text)
            try:
                if odd:
                    code = "odd-bytes"
                    raise ValueError(f"{_EXPECTED_TEXT}, found {odd}")
                if json_is_deeper(text.encode(), self.limits.nesting):
                    raise ValueError(f"lists and objects are nested more than {self.limits.nesting} deep ({key_of('nesting')})")
                record = json.loads(text)
                if not isinstance(record, dict):
                    raise ValueError(f"expected a JSON object, found `{text.strip()[:80]}`")
                json.dumps(record, ensure_ascii=False).encode()  # an unpaired surrogate is valid JSON but not encodable
                record = json.loads(self._numbers.quoted_in(text))
                lines.append(line)
                records.append({key: record.get(key) for key in self.schema} if self.schema else record)
            except json.JSONDecodeError as error:
                broken_lines.append(line)
                broken.setdefault(code, []).append(Problem(code, f"{self.path}:{line}:{error.colno}", f"not JSON: {error.msg}"))
            except ValueError as error:
                broken_lines.append(line)
                broken.setdefault(code, []).append(Problem(code, f"{self.path}:{line}", str(error)))
        for found in broken.values():
            problems.add(str(self.path), found)
        if not records and not broken:
            raise DataError(f"{self.path}: expected one JSON object a line, the file is empty")
        self._check_size(len({key for record in records for key in record}))
        self._lines, self.broken = lines, tuple(broken_lines)
        try:
            return pl.LazyFrame(records, self.schema, infer_schema_length=None, strict=False)
        except (pl.exceptions.PolarsError, TypeError, OverflowError):  # nested values mixed with text: keep them as JSON
            flat = [{k: json.dumps(v) if isinstance(v, list | dict) else v and str(v) for k, v in one.items()} for one in records]
            return pl.LazyFrame(flat, infer_schema_length=None, strict=False)

    def _row_lines(self) -> Iterator[int]:
        return (line for line, _ in self._texts())

    def _texts(self) -> Iterator[tuple[int, str]]:
        with self.open() as file:
            yield from ((line, text) for line, text in enumerate(file, 1) if text.strip())


class ParquetFile(TableFile):
    """A Parquet file, whose columns have types."""

    has_types = True

    def __init__(self, path: Path, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        super().__init__(path)

    @cached_property
    def columns(self) -> list[str]:
        return check_parquet(self.path, self.limits)

    def scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.path, glob=False)

    def pieces(self, n_rows: int) -> Iterator[pl.LazyFrame]:
        starts = range(0, self.scan().select(pl.len()).collect().item(), n_rows)
        return (self.scan().slice(start, n_rows) for start in starts)  # each slice reads only its own row groups and caches nothing

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        raise DataError(f"{self.path}: not a Parquet file, or a damaged one")

    def places(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.path}:row {row + 1}" for row in rows]


def open_table(
    path: Path,
    separator: str | None = None,
    quote_char: str | None = '"',
    limits: Limits = DEFAULTS,
    encoding: TextEncoding | None = None,
    has_header: bool = True,
) -> TableFile:
    """Open the table in a file, or in all files of a folder or glob, without reading its rows.

    Subfolders called `column=value`, as Spark writes them, become further columns.

    Args:
        path: a file, a folder or a glob pattern.
        separator: reads the file as delimited text, whatever its suffix. None: the suffix gives the format.
        quote_char: the quote character of delimited text; None for unquoted text.
        limits: the largest sizes that are accepted.
        encoding: the encoding of text. None: detected from the files of this table.
        has_header: whether delimited text starts with a header line.

    Raises:
        MissingFile: the file does not exist.
        DataError: the suffix is unknown, or a limit is exceeded, here or when the table is read.
    """
    files = files_of(path)
    if path.is_dir() and not files:
        raise DataError(f"{path}: expected the files of a table, the folder is empty")
    if not files:
        raise missing_file(path)
    encoding = encoding or TextEncoding(files)
    if files != [path]:
        parts = [_open_part(part, separator, quote_char, limits, encoding, has_header) for part in files]
        keep_blank_nodes_apart(parts)
        return Parts(path, parts, partitions(path, files))
    check_holes(path, limits)
    check_compressed(path, limits)
    suffix = _suffix(path)
    if separator is None and suffix not in SUFFIXES:
        expected = ", ".join(SUFFIXES)
        remedy = f"; {said}" if (said := remedy_for(path)) else ""
        raise DataError(f"{path}: expected a file that ends in {expected}, each perhaps with .gz or .zst, found `{path.suffix}`{remedy}")
    if separator is not None or suffix in _SEPARATORS:
        table = DelimitedFile(path, separator or _SEPARATORS[suffix], quote_char, limits, encoding, has_header)
        if separator is None:
            table.guess_separator()
        return table
    if suffix in (".jsonl", ".parquet"):
        return JsonLinesFile(path, limits=limits, encoding=encoding) if suffix == ".jsonl" else ParquetFile(path, limits)
    return open_graph(path, limits, encoding)


def _open_part(
    path: Path, separator: str | None, quote_char: str | None, limits: Limits, encoding: TextEncoding, has_header: bool
) -> TableFile:
    if path.is_dir():
        raise DataError(f"{path}: expected files of one table, or folders called column=value with such files, found another folder")
    return open_table(path, separator, quote_char, limits, encoding, has_header)


def open_labelled(
    files: Mapping[str, Path], column: str, limits: Limits = DEFAULTS, encoding: TextEncoding | None = None, has_header: bool = True
) -> TableFile:
    """Concatenate the tables in several files, folders or globs, in this order, with a column that holds the label of each row's file.

    Raises:
        DataError: as in `open_table`; or the columns of the files differ, or `column` already exists.
    """
    paths = list(files.values())
    joined = paths[0].with_name(", ".join(path.name for path in paths))
    parts = [open_table(path, limits=limits, encoding=encoding, has_header=has_header) for path in paths]
    return Parts(joined, parts, [{column: label} for label in files])


def is_text(path: Path) -> bool:
    """Whether a table is stored as text whose encoding is not fixed by its format."""
    return _suffix(path) not in (".parquet", ".ttl", ".graphml")


def _suffix(path: Path) -> str:
    """The suffix of the format, ignoring one of compression."""
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
