"""What a table in a file is, whatever the format: raw rows, what is broken, and where each row stands; and one of many files."""

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
    """A table in a file, its values as the file has them. Rows are counted from 0, blank lines left out."""

    has_types: bool
    """Whether the format tells numbers from text."""

    has_header: bool = True
    """Whether the file says what its columns are called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()
        """What was odd about the file, though it could be read."""
        self.broken: tuple[int, ...] = ()
        """The lines that `salvage` could not read."""

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The names of the columns. Raises DataError where the file is empty or not of its format."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """All rows. Collecting raises PolarsError where a line is broken."""

    def keep_text(self, columns: Sequence[str]) -> None:  # noqa: B027, most formats have nothing to do
        """From now on the values of these columns, which are ids, are read as the text that the file has, numbers among them."""

    def pieces(self, n_rows: int) -> Iterator[pl.LazyFrame]:
        """The rows of `scan`, at most so many at a time, in order, for tables that are larger than memory. Raises as it does."""
        return (piece.lazy() for piece in self.scan().collect_batches(chunk_size=n_rows, engine="streaming"))

    @abstractmethod
    def salvage(self, problems: Problems) -> pl.LazyFrame:
        """The rows that can be read, line by line; the lines that cannot become problems."""

    @abstractmethod
    def places(self, rows: Sequence[int]) -> list[str]:
        """Where these ascending rows stand, for messages: `items.csv:17`. Of what `salvage` gave, once it was asked."""

    def broken_texts(self) -> list[tuple[str, str]]:
        """The place and the text of every broken line."""
        return []

    @property
    def frame(self) -> pl.DataFrame:
        """All rows. Raises DataProblems that name every broken line."""
        try:
            return self.scan().collect()
        except pl.exceptions.PolarsError:
            problems = Problems()
            found = self.salvage(problems).collect()
            problems.raise_any()
            return found

    def place(self, row: int) -> str:
        """Where one row stands."""
        return self.places([row])[0]


class TextFile(TableFile):
    """A table in lines of text: UTF-8, UTF-16 or UTF-32 by their marks, else what `encoding` says, that of this file alone by default."""

    def __init__(self, path: Path, encoding: TextEncoding | None = None) -> None:
        super().__init__(path)
        self._text_encoding = encoding or TextEncoding([path])
        self._lines: list[int] | None = None
        """Of each row that was salvaged, its line."""
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
        """What Polars can read: the file, or the same in UTF-8."""
        return io.BytesIO(self._text) if self._text is not None else self.path

    _text: bytes | None = None

    def open(self) -> io.TextIOBase:
        """The text, decompressed and decoded; other bytes than of its encoding are kept, for `delimited.encoding.odd_bytes`."""
        raw: io.BytesIO | io.BufferedReader = io.BytesIO(self._text) if self._text is not None else open_bytes(self.path)
        return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="", errors="surrogateescape")

    def check_cells(self, n_columns: int, limits: Limits) -> None:
        """Raises DataError where lines that say nothing of most columns are too many for the size of the file."""
        if n_columns <= limits.cells_per_byte:  # a line has a byte at least
            return
        n_lines = n_bytes = 0
        for block in self.blocks():
            n_lines, n_bytes = n_lines + block.count(b"\n"), n_bytes + len(block)
        limits.check_cells(self.path, n_lines, n_columns, n_bytes)

    def blocks(self) -> Iterator[bytes]:
        """The file in UTF-8, decompressed, some lines at a time."""
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
        """As `salvage`, in the encoding of the file; lines with other bytes become problems."""

    @abstractmethod
    def _row_lines(self) -> Iterator[int]:
        """The line on which each row starts."""

    def _settle_encoding(self) -> None:
        """Reads the file as what it is from now on, where that is not UTF-8. Raises DataError where it looks like nothing."""
        if self._text is None and (encoding := self._text_encoding.of(self.path)) != UTF8:
            text = self._transcode(encoding)
            remedy = "" if self._text_encoding.given else "; data.encoding= says another"
            self.notes = (*self.notes[:-1], f"{self.notes[-1]}: {example(text)}{remedy}")

    def _transcode(self, encoding: str) -> str:
        with open_bytes(self.path) as file:
            text = decode(file.read(), encoding)
        self._text = text.encode("utf-8", "surrogateescape")
        self.notes = (*self.notes, f"{self.path} was read as {encoding}")
        return text


class Parts(TableFile):
    """One table in many files with the same columns, in their order. `labels` has further columns: of each file, the value of all its rows.

    In files that have types, a column of labels that are all whole numbers, or all days, is one of numbers or of days.
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
                raise DataError(f"{parts[0].path}: expected no column `{column}`, for that is what its file says; rename or remove it")
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
    """Each value as a column."""
    numbers, days = values.cast(pl.Int64, strict=False), values.str.to_date("%Y-%m-%d", strict=False)
    is_code = values.str.contains(r"^[+-]?0\d").any()
    for typed in (numbers, days) if has_types and not is_code else ():
        if typed.null_count() == values.null_count() < len(values):
            values = typed
            break
    return [pl.lit(value, values.dtype).alias(values.name) for value in values]
