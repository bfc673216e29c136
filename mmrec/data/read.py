"""Reading a table into the columns that mmrec knows: ids as text, times as seconds, ratings as numbers.

Whatever cannot be read ends in one sentence that names the file, the line, the column, the value, and how many rows are like it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from mmrec.data.formats import TableFile
from mmrec.errors import DataError, nearest

Kind = Literal["id", "text", "seconds", "number"]
_EXPECTED = {
    "id": "an id (any text, or a whole number)",
    "text": "text",
    "seconds": "a time (seconds since 1970 UTC, or ISO 8601)",
    "number": "a number",
}
_REQUIRED_VALUE = ("id", "seconds")
_LATEST_SECOND = 10**11
"""The year 5138. A time beyond it is in milliseconds or smaller units."""


@dataclass(frozen=True)
class Column:
    """What a column must hold.

    `id`: String, never empty; whole numbers become text, '007' stays '007'. `text`: String or null. `seconds`: Int64, never null; fractions
    are cut off, ISO 8601 without an offset is UTC. `number`: finite Float64 or null.
    """

    name: str
    kind: Kind
    optional: bool = False
    """Whether the whole column may be missing."""


def read_table(table: TableFile, columns: Sequence[Column], names: Mapping[str, str] | None = None, others: bool = False) -> pl.DataFrame:
    """The table's rows, in order, as `columns` (their names, their types), then, if asked, the `others`.

    Args:
        table: from `mmrec.data.formats.open_table`.
        columns: what is expected; optional ones that the file lacks are left out.
        names: what the file calls a column, where it differs; a file without that name may use ours.
        others: whether to keep the remaining columns. In delimited text those that are numbers throughout become numbers; in any format a
            list of texts becomes one text, joined by ', '.

    Raises:
        DataError: a column is missing, or a value is not of its kind.
    """
    found = _match_columns(table, columns, names or {})
    raw = table.frame
    known = [_parse(table, raw[found[column.name]], column) for column in columns if column.name in found]
    taken = {*found.values(), *found}
    rest = [_parse_other(raw[name], table.has_types) for name in raw.columns if others and name not in taken]
    return pl.DataFrame(known + rest)


def _match_columns(table: TableFile, columns: Sequence[Column], names: Mapping[str, str]) -> dict[str, str]:
    """Our name to the file's name, of the columns that are there."""
    found = {}
    for column in columns:
        called = next((name for name in (names.get(column.name), column.name) if name in table.columns), None)
        if called is not None:
            found[column.name] = called
        elif not column.optional:
            raise _missing_column(table, columns, names, names.get(column.name, column.name))
    return found


def _missing_column(table: TableFile, columns: Sequence[Column], names: Mapping[str, str], missing: str) -> DataError:
    there = table.columns
    if len(there) == 1 and any(mark in there[0] for mark in ",;|\t"):
        expected = ", ".join(f"`{names.get(column.name, column.name)}`" for column in columns if not column.optional)
        return DataError(
            f"{table.path}:1: expected columns {expected}, the file has one column `{there[0]}`: is it separated as its suffix says "
            "(.csv by commas, .tsv by tabs)?"
        )
    listed = ", ".join(f"`{name}`" for name in there)
    return DataError(f"{table.path}: expected a column `{missing}`, found {listed}; {nearest(missing, there)}")


def _parse(table: TableFile, raw: pl.Series, column: Column) -> pl.Series:
    values = _PARSERS[column.kind](raw)
    bad = values.is_null() if column.kind in _REQUIRED_VALUE else values.is_null() & ~_absent(raw)
    if bad.any():
        raise _bad_value(table, raw, bad, column)
    return values.rename(column.name)


def _bad_value(table: TableFile, raw: pl.Series, bad: pl.Series, column: Column) -> DataError:
    position = int(bad.arg_true()[0])
    value, count = raw.slice(position, 1).to_list()[0], int(bad.sum())
    found = "nothing" if value is None or value == "" else f"`{str(value)[:80]}`"
    like = "the only such row" if count == 1 else f"{count:,} such rows"
    number = _floats(raw)[position] if column.kind == "seconds" else None
    hint = "; so large a number is no seconds: divide by 1000 if these are milliseconds" if number and abs(number) > _LATEST_SECOND else ""
    return DataError(f"{table.place(position)}:{raw.name}: expected {_EXPECTED[column.kind]}, found {found} ({like}){hint}")


def _absent(raw: pl.Series) -> pl.Series:
    """Where the file has no value: null, an empty text, or the NaN that pandas writes for it."""
    if raw.dtype == pl.String:
        return raw.is_null() | (raw.str.strip_chars() == "")
    return raw.is_null() | raw.is_nan() if raw.dtype.is_float() else raw.is_null()


def _ids(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_float():  # whole numbers, where pandas met a null beside them
        whole = (raw == raw.floor()) & raw.is_finite()
        raw = raw.set(~whole.fill_null(False), None).cast(pl.Int64, strict=False)
    text = _texts(raw)
    return text.set((text == "").fill_null(False), None)


def _texts(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.List(pl.String):
        return raw.list.join(", ", ignore_nulls=True)
    return _nothing(raw, pl.String) if raw.dtype.is_nested() else raw.cast(pl.String, strict=False)


def _floats(raw: pl.Series) -> pl.Series:
    if raw.dtype != pl.String and not raw.dtype.is_numeric():
        return _nothing(raw, pl.Float64)
    numbers = raw.str.strip_chars() if raw.dtype == pl.String else raw
    values = numbers.cast(pl.Float64, strict=False)
    return values.set(~values.is_finite().fill_null(True), None)


def _seconds(raw: pl.Series) -> pl.Series:
    if raw.dtype in (pl.Datetime, pl.Date):  # a time without a zone is UTC; epoch("s") cuts towards the past
        return raw.dt.epoch("s").cast(pl.Int64)
    seconds = (raw if raw.dtype.is_integer() else _floats(raw).floor()).cast(pl.Int64, strict=False)
    seconds = seconds.set((seconds.abs() > _LATEST_SECOND).fill_null(False), None)
    if raw.dtype == pl.String and seconds.null_count():
        dates = raw.set(seconds.is_not_null(), None).map_elements(_iso_seconds, return_dtype=pl.Int64)
        seconds = seconds.zip_with(seconds.is_not_null(), dates)
    return seconds


def _iso_seconds(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return math.floor((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _parse_other(raw: pl.Series, has_type: bool) -> pl.Series:
    """A column nobody described. One without a type becomes numbers if it holds nothing else; codes with a leading zero stay text."""
    if raw.dtype == pl.List(pl.String):
        return _texts(raw)
    if has_type or raw.null_count() == len(raw) or raw.str.contains(r"^\s*[+-]?0\d").any():
        return raw
    for dtype in (pl.Int64, pl.Float64):
        numbers = raw.cast(dtype, strict=False)
        if numbers.null_count() == raw.null_count():
            return numbers
    return raw


def _nothing(raw: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Nulls, for a column whose type has no such values."""
    return pl.Series(raw.name, [None] * len(raw), dtype=dtype)


_PARSERS = {"id": _ids, "text": _texts, "seconds": _seconds, "number": _floats}
