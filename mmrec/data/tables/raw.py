"""The common interface of table files of every format: raw rows, broken lines and the position of each row; and tables in many files."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from mmrec.data.tables.delimited.encoding import UTF8, TextEncoding, decode, example, shown
from mmrec.data.tables.nesting import line_blocks
from mmrec.data.tables.problems import Problems
from mmrec.errors import DataError
from mmrec.files.compressed import open_bytes
from mmrec.files.limits import Limits

_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class TableFile(ABC):
    """A table in a file with unparsed values. Rows are counted from 0, without blank lines."""

    has_types: bool
    """Whether the format distinguishes numbers from text."""

    has_header: bool = True
    """Whether the file names its columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        """Remarks on unusual content that could be read."""
        self.broken: tuple[int, ...] = ()
        """The line numbers that `salvage` could not read."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The column names. Raises DataError if the file is empty or not in the expected format."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """All rows, lazily. Collecting them raises PolarsError if a line is broken."""

    def keep_text(self, columns: Sequence[str]) -> None:  # noqa: B027, most formats have nothing to do
        """Read the values of these columns, which hold ids, as the text in the file, even if they are numbers."""

    def pieces(self, n_rows: int) -> Iterator[pl.LazyFrame]:
        """Yield the rows of `scan` in order, at most `n_rows` at a time, for tables larger than memory. Raises as `scan` does."""
        return (piece.lazy() for piece in self.scan().collect_batches(chunk_size=n_rows, engine="streaming"))

    @abstractmethod
    def salvage(self, problems: Problems) -> pl.LazyFrame:
        """Read line by line and keep the rows that can be read; the other lines become problems."""

    @abstractmethod
    def places(self, rows: Sequence[int]) -> list[str]:
        """The positions of ascending row numbers, for messages: `items.csv:17`. After `salvage`, rows are counted in its result."""

    def broken_texts(self) -> list[tuple[str, str]]:
        """The position and the text of every broken line."""
        return []

    @property
    def frame(self) -> pl.DataFrame:
        """All rows. Raises DataProblems, which names every broken line."""
        try:
            return self.scan().collect()
        except pl.exceptions.PolarsError:
            problems = Problems()
            found = self.salvage(problems).collect()
            problems.raise_any()
            return found

    def place(self, row: int) -> str:
        """The position of one row."""
        return self.places([row])[0]


class TextFile(TableFile):
    """A table stored as text: UTF-8, UTF-16 or UTF-32 by its byte order mark, else in `encoding`, detected from this file by default."""

    def __init__(self, path: Path, encoding: TextEncoding | None = None) -> None:
        super().__init__(path)
        self._text_encoding = encoding or TextEncoding([path])
        self._lines: list[int] | None = None
        """The line of each salvaged row."""
        with open_bytes(path) as file:
            start = file.read(4)
        for mark, name in _MARKS.items():
            if start.startswith(mark):
                self._transcode(name)
                return
        if self._text_encoding.may_look_like_utf8:
            self._settle_encoding()

    @property
    def source(self) -> Path | io.BytesIO:
        """The input for Polars: the file, or its text transcoded to UTF-8."""
        return io.BytesIO(self._text) if self._text is not None else self.path

    _text: bytes | None = None

    def open(self) -> io.TextIOBase:
        """Open the text, decompressed and decoded; bytes invalid in its encoding are kept for `delimited.encoding.odd_bytes`."""
        raw: io.BytesIO | io.BufferedReader = io.BytesIO(self._text) if self._text is not None else open_bytes(self.path)
        return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="", errors="surrogateescape")

    def check_cells(self, n_columns: int, limits: Limits) -> None:
        """Raise DataError if the table has far more cells than its bytes can describe, because most are missing."""
        if n_columns <= limits.cells_per_byte:  # a line has at least one byte
            return
        n_lines = n_bytes = 0
        for block in self.blocks():
            n_lines, n_bytes = n_lines + block.count(b"\n"), n_bytes + len(block)
        limits.check_cells(self.path, n_lines, n_columns, n_bytes)

    def blocks(self) -> Iterator[bytes]:
        """Yield the decompressed file in UTF-8, in blocks of lines."""
        with io.BytesIO(self._text) if self._text is not None else open_bytes(self.path) as file:
            yield from line_blocks(file)

    def places(self, rows: Sequence[int]) -> list[str]:
        wanted, lines = set(rows), {}
        for row, line in enumerate(self._lines if self._lines is not None else self._row_lines()):
            if row in wanted:
                lines[row] = line
                if len(lines) == len(wanted):
                    break
        return [f"{self.path}:{lines[row]}" for row in rows]

    def broken_texts(self) -> list[tuple[str, str]]:
        wanted = set(self.broken)
        with self.open() as file:
            return [(f"{self.path}:{line}", shown(text.rstrip("\r\n"))) for line, text in enumerate(file, 1) if line in wanted]

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        self._settle_encoding()
        return self._salvage(problems)

    @abstractmethod
    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        """Implement `salvage` in the detected encoding; lines with invalid bytes become problems."""

    @abstractmethod
    def _row_lines(self) -> Iterator[int]:
        """Yield the line on which each row starts."""

    def _settle_encoding(self) -> None:
        """Transcode the file if it is not UTF-8. Raises DataError if no encoding fits."""
        if self._text is None and (encoding := self._text_encoding.of(self.path)) != UTF8:
            text = self._transcode(encoding)
            remedy = "" if self._text_encoding.given else "; set data.encoding= for another encoding"
            self.notes = (*self.notes[:-1], f"{self.notes[-1]}: {example(text)}{remedy}")

    def _transcode(self, encoding: str) -> str:
        with open_bytes(self.path) as file:
            text = decode(file.read(), encoding)
        self._text = text.encode("utf-8", "surrogateescape")
        self.notes = (*self.notes, f"{self.path} was read as {encoding}")
        return text


class Parts(TableFile):
    """One table in many files with the same columns, concatenated in order.

    Args:
        path: the folder or glob of the table, for messages.
        parts: the files.
        labels: further columns: for each file, the values that all its rows have. If the format has types, labels that are all integers, or
            all dates, become integers or dates.
    """

    def __init__(self, path: Path, parts: Sequence[TableFile], labels: Sequence[Mapping[str, str | None]]) -> None:
        super().__init__(path)
        self.parts = tuple(parts)
        self.has_types, self.has_header = parts[0].has_types, parts[0].has_header
        self._columns = [*parts[0].columns, *labels[0]]
        self._lengths: list[int] | None = None
        for part, said in zip(parts, labels, strict=True):
            if list(said) != list(labels[0]):
                expected = " and ".join(f"{name}=…" for name in labels[0]) or "names without ="
                raise DataError(f"{part.path}: expected in folders called {expected}, as {parts[0].path}, a part of the same table")
        for column in labels[0]:
            if column in parts[0].columns:
                raise DataError(f"{parts[0].path}: expected no column `{column}`, since the file name gives it; rename or remove it")
        columns = [_labels(pl.Series(name, [said[name] for said in labels], pl.String), self.has_types) for name in labels[0]]
        self._labels = list(zip(*columns, strict=True)) or [()] * len(parts)
        for part in parts[1:]:
            if set(part.columns) != set(parts[0].columns):
                odd = sorted(set(part.columns) ^ set(parts[0].columns))[0]
                raise DataError(
                    f"{part.path}: expected the columns of {parts[0].path.name}, a part of the same table; they differ in `{odd}`"
                )
        self.notes = tuple(note for part in parts for note in part.notes)

    @property
    def columns(self) -> list[str]:
        return self._columns

    def keep_text(self, columns: Sequence[str]) -> None:
        for part in self.parts:
            part.keep_text(columns)

    def scan(self) -> pl.LazyFrame:
        return self._joined([part.scan() for part in self.parts])

    def pieces(self, n_rows: int) -> Iterator[pl.LazyFrame]:
        schema = self.scan().collect_schema()
        for part, label in zip(self.parts, self._labels, strict=True):
            for piece in part.pieces(n_rows):
                yield piece.with_columns(label).select(pl.col(name).cast(dtype) for name, dtype in schema.items())

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        salvaged = [part.salvage(problems) for part in self.parts]
        self._lengths = [one.select(pl.len()).collect().item() for one in salvaged]
        self.broken = tuple(line for part in self.parts for line in part.broken)
        self.notes = tuple(note for part in self.parts for note in part.notes)
        return self._joined(salvaged)

    def _joined(self, frames: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
        labelled = (frame.with_columns(label) for frame, label in zip(frames, self._labels, strict=True))
        return pl.concat([frame.select(self.columns) for frame in labelled], how="vertical_relaxed")

    def broken_texts(self) -> list[tuple[str, str]]:
        return [text for part in self.parts for text in part.broken_texts()]

    def places(self, rows: Sequence[int]) -> list[str]:
        found, start = [], 0
        if self._lengths is None:
            self._lengths = [part.scan().select(pl.len()).collect().item() for part in self.parts]
        for part, length in zip(self.parts, self._lengths, strict=True):
            end = start + length
            found += part.places([row - start for row in rows if start <= row < end])
            start = end
        return found


def _labels(values: pl.Series, has_types: bool) -> list[pl.Expr]:
    """A constant column for each value."""
    numbers, days = values.cast(pl.Int64, strict=False), values.str.to_date("%Y-%m-%d", strict=False)
    is_code = values.str.contains(r"^[+-]?0\d").any()
    for typed in (numbers, days) if has_types and not is_code else ():
        if typed.null_count() == values.null_count() < len(values):
            values = typed
            break
    return [pl.lit(value, values.dtype).alias(values.name) for value in values]
