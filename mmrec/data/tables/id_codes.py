"""Columns of ids as numbers: millions of texts are told apart, looked up and sorted by numbers, which takes a fraction of the time.

Results are exact: numbers that stand for texts are hashes, and what they find is compared with the texts themselves.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl

_AT_ONCE, _LOOKED_AT, _PENDING = 2**22, 2**16, 2**19
"""Rows that are looked up at a time, which bounds the memory it takes beside the result; by which it is told how a column is sorted; and
that wait to be told apart."""


def distinct(ids: pl.Series) -> pl.Series:
    """Every text of a column once, in any order."""
    return (_runs(ids) if _is_in_runs(ids) else ids).unique()


class Distinct:
    """Every text of columns that are added one after another, at least one, once. Takes memory for some three times as many."""

    def __init__(self) -> None:
        self._ids: pl.Series | None = None
        self._pending: list[pl.Series] = []

    def add(self, ids: pl.Series) -> None:
        """Puts further texts among them."""
        n_pending = sum(map(len, self._pending)) + len(ids)
        if self._pending and n_pending > max(_PENDING, 0 if self._ids is None else len(self._ids)):
            self._settle()
        self._pending.append(ids.alias(""))

    @property
    def ids(self) -> pl.Series:
        """The texts, in any order."""
        self._settle()
        return cast("pl.Series", self._ids)  # for at least one column was added

    @property
    def repeated(self) -> pl.Series:
        """The same, some perhaps more than once, for less work."""
        return pl.concat([*([] if self._ids is None else [self._ids]), *self._pending])

    def _settle(self) -> None:
        if self._pending:
            found = [distinct(ids) for ids in self._pending]
            found += [] if self._ids is None else [self._ids]
            self._ids = pl.concat(found).unique() if len(found) > 1 else found[0]
            self._pending = []


def missing(wanted: pl.Series, ids: pl.Series) -> pl.Series:
    """Those of the texts `wanted`, which are distinct, that do not occur in a column."""
    ids = _runs(ids) if _is_in_runs(ids) else ids
    left = wanted.filter(~wanted.is_in(_one_a_hash(ids).implode()))
    hidden = ids.filter(ids.is_in(left.implode()))  # behind another text of the same hash
    return left.filter(~left.is_in(hidden.implode()))


def positions(ids: pl.Series, known: pl.Series) -> pl.Series:
    """UInt32: the place of each id in `known`, whose texts are distinct; null where it has none, and for null."""
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
    """The order that sorts rows by the texts in the columns `by`, null first; and keys, in that order, equal where those texts are.

    Both are as long as `rows`: numbers of rows (UInt32), and UInt64.
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
    """The rows in that order; column by column, as a table that is in pieces is slow to pick from, and large to put together."""
    return pl.DataFrame([rows[name].rechunk().gather(order) for name in rows.columns])


def _ranks(ids: pl.Series) -> tuple[pl.Series, int]:
    """Of each text its rank among the distinct ones, from 1 up, and 0 for null; and how many ranks there are."""
    if ids.dtype.is_integer():  # ranks already
        return (ids + 1).fill_null(0), (cast("int | None", ids.max()) or 0) + 2
    known = _one_a_hash(ids).drop_nulls().sort()
    found = positions(ids, known)
    if found.null_count() > ids.null_count():  # two texts have the same hash
        known = ids.unique().drop_nulls().sort()
        found = positions(ids, known)
    return (found + 1).fill_null(0), len(known) + 1


def _is_in_runs(ids: pl.Series) -> bool:
    """Whether most of the first ids are those of the row before, as users are in a sorted table."""
    first = ids.head(_LOOKED_AT)
    return (first == first.shift()).sum() > len(first) // 2


def _one_a_hash(ids: pl.Series) -> pl.Series:
    """Every text once, save those whose hash another one has."""
    return ids.gather(_hash(ids).arg_unique())


def _runs(ids: pl.Series) -> pl.Series:
    return ids.rle().struct.field("value")


def _hash(ids: pl.Series) -> pl.Series:
    return ids.hash()


def _join(wanted: pl.Series, known: pl.Series) -> pl.Series:
    places = known.alias("key").to_frame().with_row_index("place")
    return wanted.alias("key").to_frame().join(places, on="key", how="left", maintain_order="left")["place"]
