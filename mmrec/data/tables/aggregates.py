"""Aggregates of a column of numbers, typed as numbers. Polars declares them as a value of any column, or none.

None of these take a column without numbers: where one may be empty, the caller asks first.
"""

from typing import cast

import polars as pl


def minimum(values: pl.Series) -> int | float:
    """The least number of a column; an int where it holds integers."""
    return cast("int | float", values.min())


def maximum(values: pl.Series) -> int | float:
    """The greatest number of a column; an int where it holds integers."""
    return cast("int | float", values.max())


def mean(values: pl.Series) -> float:
    """The mean of a column of numbers, or the share of a Boolean one that is true."""
    return cast("float", values.mean())
