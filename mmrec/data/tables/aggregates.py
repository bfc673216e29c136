"""Aggregates of numeric columns with numeric return types, where Polars declares a value of any type or None.

The column must hold at least one value: callers check for empty columns first.
"""

from typing import cast

import polars as pl


def minimum(values: pl.Series) -> int | float:
    """The minimum of a numeric column; an int if the column holds integers."""
    return cast("int | float", values.min())


def maximum(values: pl.Series) -> int | float:
    """The maximum of a numeric column; an int if the column holds integers."""
    return cast("int | float", values.max())


def mean(values: pl.Series) -> float:
    """The mean of a numeric column, or the fraction of true values in a Boolean column."""
    return cast("float", values.mean())
