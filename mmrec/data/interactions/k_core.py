"""The k-core of interactions: the largest part in which every user and every item has a minimal number of partners."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from jaxtyping import Bool, UInt32

from mmrec.data.tables.id_codes import distinct, positions
from mmrec.types import ITEM_ID, USER_ID

Pairs = UInt32[np.ndarray, "2 n_pairs"]
"""Distinct pairs as codes: the user's position among those of the table, and the item's among all items."""


def k_core(interactions: pl.DataFrame, min_per_user: int, min_per_item: int) -> pl.DataFrame:
    """The largest subset of rows in which users have at least `min_per_user` distinct items and items `min_per_item` distinct users.

    The result keeps the row order and does not depend on the order of removal (Seidman, "Network structure and minimum degree", Social
    Networks 5(3), 1983).
    """
    known = distinct(interactions[ITEM_ID])
    pairs = pairs_of(interactions, known)
    return in_core(interactions, known, core_items(lambda: iter([pairs]), len(known), min_per_user, min_per_item), min_per_user)


def pairs_of(rows: pl.DataFrame, known: pl.Series) -> Pairs:
    """The distinct pairs of a table whose items are all in `known`."""
    return np.ascontiguousarray(_numbers(rows, known).unique().to_numpy().T)


def core_items(pairs: Callable[[], Iterator[Pairs]], n_items: int, min_per_user: int, min_per_item: int) -> Bool[np.ndarray, " n_items"]:
    """Which items are in the k-core of tables that have no users in common; `pairs` is called repeatedly to iterate over their pairs."""
    is_core = np.ones(n_items, dtype=bool)
    while True:
        degree = np.zeros(n_items, dtype=np.int64)
        for users, items in pairs():
            degree += np.bincount(items[_kept(users, items, is_core, min_per_user)], minlength=n_items)
        found = degree >= min_per_item
        if (found == is_core).all():
            return is_core
        is_core = found


def in_core(rows: pl.DataFrame, known: pl.Series, is_core: Bool[np.ndarray, " n_items"], min_per_user: int) -> pl.DataFrame:
    """The rows of a table that are in the k-core, given its items from `core_items`; in order."""
    numbers = _numbers(rows, known)
    pairs = numbers.unique()
    kept = pairs.filter(pl.Series(_kept(pairs[USER_ID].to_numpy(), pairs[ITEM_ID].to_numpy(), is_core, min_per_user)))
    return rows[numbers.with_row_index("row").join(kept, on=[USER_ID, ITEM_ID], how="semi")["row"].sort()]


def _numbers(rows: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    users = rows[USER_ID]
    return pl.DataFrame({USER_ID: positions(users, distinct(users)), ITEM_ID: positions(rows[ITEM_ID], known)})


def _kept(
    users: UInt32[np.ndarray, " n"], items: UInt32[np.ndarray, " n"], is_core: Bool[np.ndarray, " n_items"], min_per_user: int
) -> Bool[np.ndarray, " n"]:
    """Whether each pair's item is in the current core and its user has enough such items."""
    alive = is_core[items]
    kept: Bool[np.ndarray, " n"] = alive & (np.bincount(users[alive], minlength=int(users.max(initial=0)) + 1)[users] >= min_per_user)
    return kept
