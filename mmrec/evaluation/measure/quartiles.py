"""Bin numbers into quartiles with readable names: ages 18, 19, … 73 become `18–25`, `26–31`, `32–43`, `44–73`."""

import numpy as np
import polars as pl

from mmrec.data.tables.aggregates import maximum, minimum

MAX_GROUPS = 25
"""The number of distinct values above which a column is not used for grouping, unless it is numeric."""


def is_measured(values: pl.Series) -> bool:
    """Whether a numeric column is to be binned: it has more than `MAX_GROUPS` distinct values, and is not an integer key.

    A column of distinct integers is a key or a postcode, which does not form groups.

    >>> is_measured(pl.Series(range(30))), is_measured(pl.Series([*range(30), 0]))
    (False, True)
    """
    if not values.dtype.is_numeric():
        return False
    known = finite(values).drop_nulls()
    n_distinct = known.n_unique()
    is_key = n_distinct == len(known) and bool((known == known.round()).all())
    return n_distinct > MAX_GROUPS and not is_key


def bin_quartiles(values: pl.Series) -> pl.Series:
    """The name of each number's quartile, `lowest–highest` of its numbers; null for missing values. Equal numbers share a quartile.

    The names are an Enum, so that they sort in numeric order.

    >>> bin_quartiles(pl.Series([9, 1, 2, None, 3, 30])).to_list()
    ['9', '1–2', '1–2', None, '3', '30']
    """
    known = finite(values)
    edges = np.unique(np.quantile(known.drop_nulls().to_numpy(), [0.25, 0.5, 0.75]))
    bins = pl.Series(np.searchsorted(edges, known.fill_null(0).to_numpy()))
    parts = [known.filter(bins == i).drop_nulls() for i in range(len(edges) + 1)]
    names = [_name(part) if len(part) else "" for part in parts]
    labels = [names[i] if given else None for i, given in zip(bins, known.is_not_null(), strict=True)]
    return pl.Series(values.name, labels, dtype=pl.Enum([name for name in names if name]))


def finite(values: pl.Series) -> pl.Series:
    """Convert to Float64, with null for values that are not finite."""
    known = values.cast(pl.Float64)
    return known.set(~known.is_finite().fill_null(False), None)


def _name(part: pl.Series) -> str:
    low, high = _number(minimum(part)), _number(maximum(part))
    return low if low == high else f"{low}–{high}"


def _number(value: float) -> str:
    """The shortest exact representation of a number, so that quartiles have distinct names."""
    return str(int(value)) if value == int(value) else repr(value)
