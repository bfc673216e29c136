"""Fast exact operations on id columns: distinct values, lookup and sorting by hashes instead of text comparisons.

Hash collisions are detected by comparing the texts themselves, so results are exact.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl

_AT_ONCE, _LOOKED_AT, _PENDING = 2**22, 2**16, 2**19
"""Rows looked up per block, which bounds memory beyond the result; rows inspected to detect sorted columns; and rows buffered before
duplicates are removed."""


def distinct(ids: pl.Series) -> pl.Series:
    """The distinct values of a text column, in any order."""
    return (_runs(ids) if _is_in_runs(ids) else ids).unique()


class Distinct:
    """The distinct values of text columns that are added one after another. Memory is bounded by about three times their number."""

    def __init__(self) -> None:
        self._ids: pl.Series | None = None
        self._pending: list[pl.Series] = []

    def add(self, ids: pl.Series) -> None:
        """Add a column."""
        n_pending = sum(map(len, self._pending)) + len(ids)
        if self._pending and n_pending > max(_PENDING, 0 if self._ids is None else len(self._ids)):
            self._settle()
        self._pending.append(ids.alias(""))

    @property
    def ids(self) -> pl.Series:
        """The distinct texts, in any order. At least one column must have been added."""
        self._settle()
        return cast("pl.Series", self._ids)  # not None after `add`

    @property
    def repeated(self) -> pl.Series:
        """The same texts, possibly with repetitions, which is cheaper."""
        return pl.concat([*([] if self._ids is None else [self._ids]), *self._pending])

    def _settle(self) -> None:
        if self._pending:
            found = [distinct(ids) for ids in self._pending]
            found += [] if self._ids is None else [self._ids]
            self._ids = pl.concat(found).unique() if len(found) > 1 else found[0]
            self._pending = []


def missing(wanted: pl.Series, ids: pl.Series) -> pl.Series:
    """The values of `wanted`, which are distinct, that do not occur in `ids`."""
    ids = _runs(ids) if _is_in_runs(ids) else ids
    left = wanted.filter(~wanted.is_in(_one_a_hash(ids).implode()))
    hidden = ids.filter(ids.is_in(left.implode()))  # texts whose hash collides with another's
    return left.filter(~left.is_in(hidden.implode()))


def positions(ids: pl.Series, known: pl.Series) -> pl.Series:
    """The position (UInt32) of each id in `known`, whose values are distinct; null for unknown ids and for null."""
    if _is_in_runs(ids):
        return positions(_runs(ids), known).gather(ids.rle_id())
    hashes = _hash(known)
    if hashes.n_unique() < len(known):
        return _join(ids, known)
    found = []
    for start in range(0, max(1, len(ids)), _AT_ONCE):
        some = ids.slice(start, _AT_ONCE)
        places = _join(_hash(some), hashes)
        found.append(places.set(known.gather(places).ne_missing(some), None))
    return pl.concat(found)


def text_order(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """The row numbers that sort a table by text columns, nulls first, and sort keys that are equal iff the texts are.

    Returns:
        Row numbers (UInt32), and their keys (UInt64) in that order; both as long as `rows`.
    """
    keys = np.zeros(len(rows), dtype=np.uint64)
    for name in by:
        ranks, n = _ranks(rows[name])
        keys *= np.uint64(n)
        keys += ranks.to_numpy()
    numbers = pl.Series(keys)
    del keys
    order = numbers.arg_sort()
    return order, numbers.gather(order)


def gather(rows: pl.DataFrame, order: pl.Series) -> pl.DataFrame:
    """Reorder rows. Columns are gathered one by one: gathering a chunked table is slow, and rechunking all of it needs much memory."""
    return pl.DataFrame([rows[name].rechunk().gather(order) for name in rows.columns])


def _ranks(ids: pl.Series) -> tuple[pl.Series, int]:
    """The rank of each text among the distinct texts, from 1, with 0 for null; and the number of ranks."""
    if ids.dtype.is_integer():  # already ranks
        return (ids + 1).fill_null(0), (cast("int | None", ids.max()) or 0) + 2
    known = _one_a_hash(ids).drop_nulls().sort()
    found = positions(ids, known)
    if found.null_count() > ids.null_count():  # a hash collision
        known = ids.unique().drop_nulls().sort()
        found = positions(ids, known)
    return (found + 1).fill_null(0), len(known) + 1


def _is_in_runs(ids: pl.Series) -> bool:
    """Whether most of the first ids repeat the row before, as users do in a sorted table."""
    first = ids.head(_LOOKED_AT)
    return (first == first.shift()).sum() > len(first) // 2


def _one_a_hash(ids: pl.Series) -> pl.Series:
    """The first text of each hash."""
    return ids.gather(_hash(ids).arg_unique())


def _runs(ids: pl.Series) -> pl.Series:
    return ids.rle().struct.field("value")


def _hash(ids: pl.Series) -> pl.Series:
    return ids.hash()


def _join(wanted: pl.Series, known: pl.Series) -> pl.Series:
    places = known.alias("key").to_frame().with_row_index("place")
    return wanted.alias("key").to_frame().join(places, on="key", how="left", maintain_order="left")["place"]
