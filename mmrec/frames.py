"""Tables of other libraries as Polars frames, with ids as text and times in seconds."""

from typing import Any

import polars as pl

from mmrec.errors import DataError, nearest

_IDS = {"interactions": ("user_id", "item_id"), "items": ("item_id",), "users": ("user_id",)}
_IDS |= {"triples": ("head", "relation", "tail"), "item_entities": ("item_id", "entity")}
_TYPES: dict[str, type[pl.DataType]] = {"rating": pl.Float64, "label": pl.Int64, "position": pl.Int64, "propensity": pl.Float64}
_TYPES |= {"event": pl.String, "split": pl.String, "datatype": pl.String}
TITLES = ("title", "name")
"""What a column of titles is called."""
_OF_EVENTS = ("interactions", "triples")
_TIME = "timestamp"


def as_frame(table: Any, name: str) -> pl.DataFrame:
    """Return a table as a Polars frame, without a copy where its memory is Arrow's.

    Args:
        table: a frame of Polars, eager or lazy; or anything that exports an Arrow stream (`__arrow_c_stream__`), as tables of pyarrow,
            pandas, DuckDB and cuDF do; or columns by name.
        name: what messages call it.

    Raises:
        DataError: for anything else.
    """
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    try:
        if isinstance(table, pl.DataFrame | dict):
            return pl.DataFrame(table)
        if hasattr(table, "__arrow_c_stream__"):
            frame = pl.DataFrame(_Stream(table))
            return frame.drop([column for column in frame.columns if column.startswith("__index_level_")])
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(f"{name}: the table cannot be read: {error}") from error
    raise DataError(f"{name}: expected a frame of Polars, pandas or Arrow, or columns by name, found {type(table).__name__}")


class _Stream:
    """The Arrow stream of a table and nothing else, so that no library is asked for a conversion of its own."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def as_table(table: Any, name: str) -> pl.DataFrame:
    """Return a table of a dataset with the types that `mmrec.Dataset` has: ids as text, times as whole seconds UTC.

    Args:
        table: as `as_frame` takes it.
        name: `interactions`, `items`, `users`, `triples` or `item_entities`.

    Raises:
        DataError: where a column is missing, an id is null or a value is not of its kind.
    """
    frame = as_frame(table, name)
    for column in _IDS[name]:
        if column not in frame.columns:
            raise DataError(f"{name}: expected a column `{column}`, found {_listed(frame.columns)}; {nearest(column, frame.columns)}")
    types: dict[str, type[pl.DataType]] = dict.fromkeys(_IDS[name], pl.String)
    if name in _OF_EVENTS:
        types |= {column: dtype for column, dtype in _TYPES.items() if column in frame.columns}
    columns = [_converted(frame[column], dtype, name) for column, dtype in types.items()]
    if name in _OF_EVENTS and _TIME in frame.columns:
        columns.append(_seconds(frame[_TIME], name))
    frame = frame.with_columns(columns)
    for column in _IDS[name]:
        if frame[column].null_count():
            raise DataError(f"{name}.{column}: expected an id in every row, found none in row {frame[column].is_null().arg_true()[0] + 1}")
    if len(_IDS[name]) == 1 and (repeated := frame[column].is_duplicated()).any():
        raise DataError(f"{name}.{column}: expected distinct ids, `{frame[column].filter(repeated)[0]}` is repeated")
    return frame


def _converted(values: pl.Series, dtype: type[pl.DataType], name: str) -> pl.Series:
    if dtype is pl.String and values.dtype.is_float() and (values.drop_nulls() % 1 == 0).all():
        values = values.cast(pl.Int64)  # pandas has floats for whole numbers beside a missing one
    try:
        return values.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{name}.{values.name}: expected {dtype}, found {values.dtype}: {str(error).splitlines()[0]}") from error


def _seconds(values: pl.Series, name: str) -> pl.Series:
    """Times as seconds since 1970; numbers are seconds already."""
    if values.dtype == pl.Date:
        values = values.cast(pl.Datetime("ms"))
    return values.dt.epoch("s") if isinstance(values.dtype, pl.Datetime) else _converted(values, pl.Int64, name)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
