"""Conditions on columns of items: equal, in, range."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from mmrec.errors import nearest
from mmrec.serving.refusal import INVALID, Refused

Value = str | int | float | bool
_SHORT = re.compile(r"(?P<column>[^:<>]+?)\s*(?P<sign>:|<=|>=)(?P<value>.*)", re.DOTALL)


class Condition(NamedTuple):
    """What the value of a column has to be. Items without a value never fulfil it."""

    column: str
    one_of: tuple[Value, ...] = ()
    """The allowed values; empty: any. A text column with several values, `Action, Drama`, has each of them."""
    low: float | None = None
    high: float | None = None
    """Both included."""


def parse_conditions(words: Sequence[str]) -> tuple[Condition, ...]:
    """Parse conditions written as `column:value`, `column>=number` or `column<=number`.

    Values of one column are alternatives; all columns, and all limits, have to be fulfilled.

    Raises:
        Refused: a word is not of this form.
    """
    values: dict[str, list[Value]] = {}
    limits = []
    for word in words:
        parts = _SHORT.fullmatch(word)
        if parts is None:
            raise Refused(INVALID, f"filter: expected column:value, column>=number or column<=number, found `{word}`")
        column, sign, value = parts["column"], parts["sign"], parts["value"]
        if sign == ":":
            values.setdefault(column, []).append(value)
        else:
            limits.append(Condition(column, low=_number(word, value)) if sign == ">=" else Condition(column, high=_number(word, value)))
    return (*(Condition(column, tuple(alternatives)) for column, alternatives in values.items()), *limits)


def fulfilled(items: pl.DataFrame, condition: Condition, separator: str = ", ") -> pl.Series:
    """Return whether each item fulfils a condition.

    Args:
        items: the columns of the items.
        condition: what is asked.
        separator: between several values in a text.

    Raises:
        Refused: there is no such column, or it has no numbers to compare with limits.
    """
    if condition.column not in items.columns:
        raise Refused(INVALID, f"filter: the items have no column `{condition.column}`; {nearest(condition.column, items.columns)}")
    try:
        return _fulfilled(items[condition.column], condition, separator)
    except pl.exceptions.PolarsError as error:
        kind = items[condition.column].dtype
        raise Refused(INVALID, f"filter: column `{condition.column}` of type {kind} cannot be compared like that") from error


def _fulfilled(column: pl.Series, condition: Condition, separator: str) -> pl.Series:
    is_kept = pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(column))
    if condition.one_of:
        is_kept = _has_one_of(column, condition.one_of, separator)
    if condition.low is not None or condition.high is not None:
        numbers = column.cast(pl.Float64, strict=False)
        if len(column) and numbers.null_count() == len(column) > column.null_count():
            raise Refused(INVALID, f"filter: column `{condition.column}`: expected numbers to compare with limits, found text")
        low = -math.inf if condition.low is None else condition.low
        is_kept = is_kept & (numbers >= low) & (numbers <= (math.inf if condition.high is None else condition.high)) & numbers.is_not_nan()
    return is_kept.fill_null(False)


def _has_one_of(column: pl.Series, values: Sequence[Value], separator: str) -> pl.Series:
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).is_in([number for value in values if (number := _as_number(value)) is not None])
    texts = pl.Series([_text(value) for value in values], dtype=pl.String)
    if isinstance(column.dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.set_intersection(texts.implode()).list.len() > 0
    text = column.cast(pl.String)
    return text.is_in(texts.implode()) | (text.str.split(separator).list.set_intersection(texts.implode()).list.len() > 0)


def _as_number(value: Value) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(word: str, value: str) -> float:
    found = _as_number(value)
    if found is None or not math.isfinite(found):
        raise Refused(INVALID, f"filter: expected a number after the sign, found `{word}`")
    return found
