"""Parse the columns of a table: ids as text, times in seconds, ratings as numbers; and report every value that cannot be parsed.

All columns are parsed in one pass over the file. A value that cannot be parsed becomes a problem with its file, line, column and value, and
its row is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import polars as pl

from mmrec.data.tables.delimited.header import looks_like_row, make_names, no_names
from mmrec.data.tables.delimited.separator import NAMES
from mmrec.data.tables.id_checks import Kinds
from mmrec.data.tables.nested_text import as_text, is_coded, is_text_list
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import TableFile
from mmrec.data.tables.time_units import TimeUnits, fraction_of
from mmrec.data.tables.time_units import in_seconds as time_in_seconds
from mmrec.errors import DataError, nearest
from mmrec.types import ITEM_ID

Kind = Literal["id", "text", "seconds", "number", "binary", "whole", "share"]
_EXPECTED = {
    "id": "an id (any text, or a whole number)",
    "text": "text",
    "seconds": "a time (seconds or milliseconds since 1970 UTC, or ISO 8601)",
    "number": "a number",
    "binary": "0 or 1 (or false or true)",
    "whole": "a whole number of at least 0",
    "share": "a probability above 0 and at most 1",
}
_CODES = dict(zip(_EXPECTED, ["no-id", "no-text", "no-time", "no-number", "no-label", "no-whole-number", "no-probability"], strict=True))
_REQUIRED_VALUE = ("id", "seconds")
_ISO = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M")
_FIRST_INEXACT: dict[pl.DataType | type[pl.DataType], int] = {pl.Float32: 2**24}
"""The smallest integer from which on a floating-point type cannot represent every integer, so that one value may stand for several ids."""
_VISIBLE = r"[^\s\p{Cc}\p{Cf}]"
"""A visible character: no whitespace, no control character, no zero-width character."""
_HEADER, _HEADER_COLUMNS = "__header__", 8
"""The Boolean column that marks repetitions of the header line, and how many leading columns are compared to detect them."""
ROW = "__row__"
"""The column with the row number of a parsed row in its file."""


@dataclass(frozen=True)
class Column:
    """The name and the expected type of a column.

    `id`: String, never empty, exactly as in the file: '007' stays '007', and 7.0 in a text format stays '7.0'. In Parquet, a floating-point
    id is converted to the integer that it represents, '7', if its type represents all integers of that size exactly; otherwise it is a
    problem. `text`: String or null. `seconds`: Int64, never null; other units are detected (see `mmrec.data.tables.time_units`), fractions
    are truncated, and ISO 8601 without an offset is UTC. `number`: finite Float64 or null. `binary`: Int64, 0 or 1, or null. `whole`:
    non-negative Int64, or null. `share`: Float64 above 0 and at most 1, or null.
    """

    name: str
    kind: Kind
    optional: bool = False
    """Whether the whole column may be missing."""
    nullable: bool = False
    """Whether single values may be missing although the kind requires them."""


class ReadTable(NamedTuple):
    """The usable rows of a table and their positions in its file."""

    file: TableFile
    frame: pl.DataFrame
    rows: pl.Series
    """The row number in the file of each row of `frame`, as `TableFile.places` counts them."""
    bad: pl.Series
    """The row numbers of the rows that were left out."""
    notes: tuple[str, ...]
    """Remarks on unusual content that could be read."""

    raw: pl.LazyFrame
    """All rows, unparsed."""
    units: Mapping[str, str | None] = MappingProxyType({})
    """The unit detected for each column of times, see `mmrec.data.tables.time_units`; None if all values are seconds or dates."""

    @property
    def n_read(self) -> int:
        """The number of rows in the file, including rows that were left out and broken lines."""
        return len(self.frame) + len(self.bad) + len(self.file.broken)

    def once_each(self, key: str, problems: Problems) -> "ReadTable":
        """Drop the rows whose `key` occurs in an earlier row, and report them as problems."""
        keys = self.frame[key]
        again = ~keys.is_first_distinct()
        first = dict(zip(keys.filter(~again), self.rows.filter(~again), strict=True)) if again.any() else {}

        def reason(value: object) -> str:
            return f"expected each {key} once, `{value}` is already at {self.file.place(first[value])}"

        return self.without(again, problems, key, "repeated-id", reason)

    def known_items(self, known: pl.Series, problems: Problems) -> "ReadTable":
        """Drop the rows of items that are not `known`, and report them as problems."""

        def reason(value: object) -> str:
            return f"expected an item that the items or the interactions name, found `{value}`; {nearest(str(value), known)}"

        return self.without(~self.frame[ITEM_ID].is_in(known.implode()), problems, ITEM_ID, "unknown-item", reason)

    def without(self, bad: pl.Series, problems: Problems, column: str, code: str, reason: Callable[[object], str]) -> "ReadTable":
        """Drop rows where `bad` is True, and report them as problems of kind `code` in `column`; `reason` maps the value to the message."""
        if not bad.any():
            return self
        rows, values = self.rows.filter(bad), self.frame[column].filter(bad)
        first = max(1, problems.room)
        places = self.file.places(rows.head(first).to_list())
        shown = [Problem(code, f"{place}:{column}", reason(value)) for place, value in zip(places, values.head(first), strict=True)]
        problems.add(f"{self.file.path}:{column}", shown, len(rows))
        return self._replace(frame=self.frame.filter(~bad), rows=self.rows.filter(~bad), bad=pl.concat([self.bad, rows]).sort())


def read_table(
    table: TableFile, columns: Sequence[Column], problems: Problems, names: Mapping[str, str] | None = None, others: bool = False
) -> ReadTable:
    """Parse a table: its rows in order, with the names and types of `columns`, then, if requested, the remaining columns.

    Args:
        table: from `mmrec.data.tables.formats.open_table`.
        columns: the expected columns; optional columns that the file lacks are omitted.
        problems: collects the values that cannot be parsed.
        names: our column names to the names in the file, where they differ. A file without the mapped name may use ours.
        others: whether to keep the remaining columns. In delimited text, columns that contain only numbers become numeric; in every format,
            lists of texts become one text, joined by ', '.

    Raises:
        DataError: a required column is missing.
    """
    found = match_columns(table, columns, names or {})
    known = [column for column in columns if column.name in found]
    taken = {*found.values(), *found}
    rest = [name for name in table.columns if others and name not in taken]
    try:
        raw = table.scan()
        parsed = parse(raw, parsers(raw, known, found, rest))
    except pl.exceptions.PolarsError:
        raw = table.salvage(problems)
        parsed = parse(raw, parsers(raw, known, found, rest))
    units = time_units(known)
    for name, found_units in units.items():
        found_units.add(parsed, name)
    notes = tuple(note for name, found_units in units.items() for note in found_units.notes(name, table))
    parsed = in_seconds(parsed, units)
    bad = report(parsed.filter(any_bad(known)), raw, known, found, table, problems)
    usable = parsed.filter(~pl.col(ROW).is_in(bad.implode())) if len(bad) else parsed
    for column in text_ids(known, table):
        kinds = Kinds()
        kinds.add(usable[column.name], usable[ROW])
        notes += kind_notes(kinds, column, table)
    frame = usable.select(*(column.name for column in known), *(_other(usable[name], table.has_types) for name in rest))
    return ReadTable(table, frame, usable[ROW], bad, table.notes + notes, raw, {name: one.unit for name, one in units.items()})


def match_columns(table: TableFile, columns: Sequence[Column], names: Mapping[str, str]) -> dict[str, str]:
    """Map our column names to those of the file, for the columns that it has, and mark id columns to be read as text.

    Raises:
        DataError: a required column is missing.
    """
    found = {}
    needed = [column.name for column in columns if not column.optional]
    in_order = {} if table.has_header else dict(zip(needed, make_names(len(needed)), strict=True))
    for column in columns:
        ours = () if names.get(column.name) and in_order else (column.name, in_order.get(column.name))
        called = next((name for name in (names.get(column.name), *ours) if name in table.columns), None)
        if called is not None:
            found[column.name] = called
        elif not column.optional:
            raise _missing_column(table, columns, names, names.get(column.name, column.name))
    table.keep_text([found[column.name] for column in columns if column.kind == "id" and column.name in found])
    return found


def _missing_column(table: TableFile, columns: Sequence[Column], names: Mapping[str, str], missing: str) -> DataError:
    there = table.columns
    if table.has_header and not table.has_types and looks_like_row(there):
        return DataError(f"{table.path}:1: {no_names(there)}")
    if len(there) == 1 and any(mark in there[0] for mark in ",;|\t"):
        separators = NAMES.get(getattr(table, "separator", ""), "what its suffix says")
        expected = ", ".join(f"`{names.get(column.name, column.name)}`" for column in columns if not column.optional)
        return DataError(
            f"{table.path}:1: expected columns {expected}, the file has one column `{there[0]}`: is it separated by {separators}?"
        )
    listed = ", ".join(f"`{name}`" for name in there)
    return DataError(f"{table.path}: expected a column `{missing}`, found {listed}; {nearest(missing, there)}")


def parsers(raw: pl.LazyFrame, known: Sequence[Column], found: Mapping[str, str], rest: Sequence[str] = ()) -> list[pl.Expr]:
    """Expressions that parse each column to its kind, with null for what cannot be parsed, and flag whether a null is a problem."""
    schema = raw.collect_schema()
    is_header = _is_header([*found.values(), *rest], schema)
    columns = [is_header.alias(_HEADER)]
    for column in known:
        name = found[column.name]
        is_iso = column.kind == "seconds" and schema[name] == pl.String and _starts_with_iso(raw, name)
        value = _iso_seconds(pl.col(name)) if is_iso else _PARSERS[column.kind](pl.col(name), schema[name])
        columns.append(value.alias(column.name))
        is_required = column.kind in _REQUIRED_VALUE and not column.nullable
        bad = value.is_null() if is_required else value.is_null() & ~_absent(pl.col(name), schema[name])
        columns.append((bad & ~is_header).alias(_bad(column.name)))
        if column.kind == "seconds" and not is_iso and not schema[name].is_temporal():
            columns.append(_fractions(pl.col(name), schema[name]).alias(fraction_of(column.name)))
    has_texts = {name for name in rest if is_coded(schema[name]) or is_text_list(schema[name])}
    others = [as_text(pl.col(name), schema[name]).alias(name) if name in has_texts else pl.col(name) for name in rest]
    return columns + others


def parse(raw: pl.LazyFrame, columns: Sequence[pl.Expr], first: int = 0) -> pl.DataFrame:
    """Evaluate the expressions of `parsers` and number the rows, starting from `first`, the row number of the first one in its file."""
    return raw.with_row_index(ROW, first).select(pl.col(ROW).cast(pl.Int64), *columns).collect(engine="streaming")


def any_bad(known: Sequence[Column]) -> pl.Expr:
    """An expression that is True for parsed rows with a problem."""
    return pl.any_horizontal(_HEADER, *(_bad(column.name) for column in known))


def _bad(name: str) -> str:
    return f"__bad_{name}__"


def _is_header(names: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """An expression that is True for repetitions of the header line, which occur where files were concatenated."""
    if any(schema[name] != pl.String for name in names):
        return pl.lit(False)
    return pl.all_horizontal(*(pl.col(name).eq_missing(pl.lit(name)) for name in names[:_HEADER_COLUMNS]))


def _other_unit(name: str) -> str:
    return f"__other_unit_{name}__"


def time_units(known: Sequence[Column]) -> dict[str, TimeUnits]:
    """An empty count of time units for each column of times."""
    return {column.name: TimeUnits(column.nullable) for column in known if column.kind == "seconds"}


def in_seconds(parsed: pl.DataFrame, units: Mapping[str, TimeUnits]) -> pl.DataFrame:
    """Convert the times of parsed rows to seconds, given the units counted over the whole column; flag times in another unit as bad."""
    for name, found in units.items():
        if found.unit is not None:
            seconds = time_in_seconds(pl.col(name), pl.col(fraction_of(name)), found.unit)
            other = seconds.is_null() & pl.col(name).is_not_null()
            bad = (pl.col(_bad(name)) | other).alias(_bad(name))
            parsed = parsed.with_columns(seconds.alias(name), bad, other.alias(_other_unit(name)))
    return parsed


def text_ids(known: Sequence[Column], table: TableFile) -> list[Column]:
    """The id columns whose values may change between integers and other text: those of formats without types."""
    return [column for column in known if column.kind == "id" and not table.has_types]


def kind_notes(kinds: Kinds, column: Column, table: TableFile) -> tuple[str, ...]:
    """A note if a column's ids are integers up to some row and other text from there on, or the reverse."""
    if kinds.change is None:
        return ()
    before, after = ("whole numbers", "other text") if kinds.starts_whole else ("other text", "whole numbers")
    return (f"{table.place(kinds.change)}:{column.name}: {after} from here on, {before} before; ids stay text",)


def report(
    bad: pl.DataFrame, raw: pl.LazyFrame, known: Sequence[Column], found: Mapping[str, str], table: TableFile, problems: Problems
) -> pl.Series:
    """Report the problems of parsed rows, each of which has one, and return their row numbers."""
    headers = bad.filter(_HEADER)[ROW]
    if len(headers):
        places = table.places(headers.head(max(1, problems.room)).to_list())
        reason = "expected a row, found the names of the columns again"
        problems.add(str(table.path), [Problem("repeated-header", place, reason) for place in places], len(headers))
    for column in known:
        of_column = bad.filter(_bad(column.name))
        if of_column.is_empty():
            continue
        name, first = found[column.name], of_column.head(max(1, problems.room))
        rows = first[ROW]
        values = raw.select(name).with_row_index(ROW).filter(pl.col(ROW).is_in(rows.implode())).collect()[name].to_list()
        mixed = _other_unit(column.name)
        is_mixed = first[mixed].to_list() if mixed in first.columns else [False] * len(first)
        shown = [
            _problem(column, f"{place}:{name}", value, other_unit)
            for place, value, other_unit in zip(table.places(rows.to_list()), values, is_mixed, strict=True)
        ]
        problems.add(f"{table.path}:{name}", shown, len(of_column))
    return bad[ROW]


def _problem(column: Column, place: str, value: object, other_unit: bool) -> Problem:
    found = "nothing" if value is None or value == "" else f"`{str(value)[:80]}`"
    if other_unit:
        reason = f"expected a time in the unit of most rows, found {found}, whose magnitude suggests another unit"
        return Problem("mixed-time-units", place, reason)
    if column.kind == "id" and isinstance(value, float):
        found += "; of floating-point numbers only whole ones below 2^53 (32 bits: 2^24) are ids, larger ones merge; store text or integers"
    return Problem(_CODES[column.kind], place, f"expected {_EXPECTED[column.kind]}, found {found}")


def _absent(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """An expression that is True for missing values: null, an empty text, or the NaN that pandas writes for them."""
    if dtype == pl.String:
        return raw.is_null() | (raw.str.strip_chars() == "")
    return raw.is_null() | raw.is_nan() if dtype.is_float() else raw.is_null()


def _ids(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():  # pandas converts integer columns with nulls to floating point
        whole = (raw == raw.floor()) & (raw.abs() < _FIRST_INEXACT.get(dtype, 2**53))
        return pl.when(whole).then(raw).cast(pl.Int64, strict=False).cast(pl.String)
    text = _texts(raw, dtype)
    return pl.when(text.str.contains(_VISIBLE)).then(text)


def _texts(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return _nothing(pl.String) if dtype.is_nested() and not is_text_list(dtype) else as_text(raw, dtype)


def _floats(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype != pl.String and not dtype.is_numeric():
        return _nothing(pl.Float64)
    values = (raw.str.strip_chars() if dtype == pl.String else raw).cast(pl.Float64, strict=False)
    return pl.when(values.is_finite()).then(values)


def _shares(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    values = _floats(raw, dtype)
    return pl.when((values > 0) & (values <= 1)).then(values)


def _wholes(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    values = _floats(raw, dtype)
    return pl.when((values >= 0) & (values == values.floor())).then(values).cast(pl.Int64, strict=False)


def _binary(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return raw.cast(pl.Int64)
    if dtype == pl.String:
        raw = raw.str.strip_chars().str.to_lowercase().replace({"true": "1", "false": "0"})
    values = _wholes(raw, dtype)
    return pl.when(values <= 1).then(values)


def _seconds(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype in (pl.Datetime, pl.Date):  # times without a zone are UTC; epoch("s") rounds down
        return raw.dt.epoch("s").cast(pl.Int64)
    if dtype.is_integer():
        return raw.cast(pl.Int64, strict=False)
    if dtype != pl.String:
        return _floats(raw, dtype).floor().cast(pl.Int64, strict=False)
    whole = raw.str.strip_chars().cast(pl.Int64, strict=False)
    others = pl.when(whole.is_null()).then(raw)  # few, if any
    return pl.coalesce(whole, _floats(others, dtype).floor().cast(pl.Int64, strict=False))


def _fractions(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The fractions that `_seconds` truncates; null for integers."""
    if dtype != pl.String and not dtype.is_float():
        return pl.lit(None)
    others = pl.when(raw.str.strip_chars().cast(pl.Int64, strict=False).is_null()).then(raw) if dtype == pl.String else raw
    numbers = _floats(others, dtype)
    return numbers - numbers.floor()


def _starts_with_iso(raw: pl.LazyFrame, name: str) -> bool:
    """Whether the first value of a column is an ISO 8601 time; the whole column is then parsed as such."""
    first = raw.select(name).filter(pl.col(name).str.strip_chars() != "").head(1)
    return first.select(_iso_seconds(pl.col(name))).collect(engine="streaming").drop_nulls().height == 1


def _iso_seconds(raw: pl.Expr) -> pl.Expr:
    text = raw.str.strip_chars().str.replace(" ", "T", literal=True)
    times = [text.str.to_datetime(form, strict=False, time_zone="UTC", time_unit="us") for form in _ISO]
    days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.coalesce(*times, days).dt.epoch("s")


def _other(raw: pl.Series, has_type: bool) -> pl.Series:
    """A column without a declared kind. Text becomes numeric if all values are numbers and none is a code with a leading zero."""
    if has_type or raw.null_count() == len(raw) or raw.str.contains(r"^\s*[+-]?0\d").any():
        return raw
    for dtype in (pl.Int64, pl.Float64):
        numbers = raw.cast(dtype, strict=False)
        if numbers.null_count() == raw.null_count():
            return numbers
    return raw


def _nothing(dtype: type[pl.DataType]) -> pl.Expr:
    """A null of the given type, for columns whose type cannot be parsed to it."""
    return pl.lit(None, dtype=dtype)


_PARSERS = {"id": _ids, "text": _texts, "seconds": _seconds, "number": _floats, "binary": _binary, "whole": _wholes, "share": _shares}
