"""Splits of interactions into train, valid and test: pure functions of the rows, a seed and ratios; the order of the rows changes nothing.

    random_ratio     any row anywhere: comparable with much published work, but the future teaches the past
    user_time        each user's oldest rows train, the newest test; other users' future still leaks
    global_time      two moments cut all rows: what a service would meet
    leave_last_out   each user's last row tests, the one before validates
    cold_item        items, with all their rows, are held out: nobody was seen with them in training
    cold_user        users, with all their rows, are held out: newcomers of whom nothing is known
    given            as whoever published the rows gave them to the parts, in the column `split`

Every split first reduces repeated (user, item) pairs to one row, and after that loses none. `given` alone looks at the column `split`; no
table has it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from mmrec.data.interactions.split_rules import (
    ColdItem,
    ColdUser,
    Given,
    GlobalTime,
    LeaveLastOut,
    RandomRatio,
    Rule,
    SplitTally,
    UserTime,
    split_rows,
)
from mmrec.data.tables.id_codes import gather, text_order
from mmrec.files.storage import sha256_frame, sha256_text
from mmrec.types import ITEM_ID, SPLIT, TIMESTAMP, USER_ID

_ROW, _KEY = "__row__", "__key__"


@dataclass(frozen=True)
class Split:
    """Three disjoint tables with the columns of the interactions but `split`, each sorted by user_id, then item_id."""

    train: pl.DataFrame
    valid: pl.DataFrame
    test: pl.DataFrame
    name: str
    notes: tuple[str, ...] = ()
    """What splitting dropped or could not serve, one sentence each, counts included."""

    @cached_property
    def hash(self) -> str:
        """sha256 hex of the three tables' content."""
        return sha256_text(*(sha256_frame(part) for part in (self.train, self.valid, self.test)))


def random_ratio(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0) -> Split:
    """Holds out random rows of the whole table; a user's share may be larger or smaller."""
    return _split(interactions, RandomRatio(valid_ratio, test_ratio, seed))


def user_time(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1) -> Split:
    """Holds out the newest rows of each user, rounded half up, but never the oldest one. Raises DataError without timestamps."""
    return _split(interactions, UserTime(valid_ratio, test_ratio))


def global_time(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1) -> Split:
    """Cuts all rows at two moments, such that the newest `test_ratio` of them test and the `valid_ratio` before them validate.

    Rows of one moment are never parted: those at a cut go to the later side. Raises DataError without timestamps, or where one moment holds
    so many rows that none is left to train on.
    """
    return _split(interactions, GlobalTime(valid_ratio, test_ratio))


def leave_last_out(interactions: pl.DataFrame) -> Split:
    """Each user's last row tests, the one before validates; users with fewer than three train. Raises DataError without timestamps."""
    return _split(interactions, LeaveLastOut())


def cold_item(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0) -> Split:
    """Holds out random items with all of their rows; the ratios are of items, so those of rows differ."""
    return _split(interactions, ColdItem(valid_ratio, test_ratio, seed))


def cold_user(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0) -> Split:
    """Holds out random users with all of their rows; the ratios are of users. What a model shows to them, it shows to any newcomer."""
    return _split(interactions, ColdUser(valid_ratio, test_ratio, seed))


def given(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, seed: int = 0) -> Split:
    """The parts that the column `split` names; where nothing is left to validate on, random rows of train, `valid_ratio` of them, do.

    Nobody is tested on what training knew: a (user, item) in several parts stays in the first of train, valid and test. Raises DataError
    where there is no such column, or a row has none of the three in it.
    """
    return _split(interactions, Given(valid_ratio, seed))


def _split(interactions: pl.DataFrame, rule: Rule) -> Split:
    rule.check(interactions.columns)
    rule.check_rows(_OneTable(interactions))
    rows, n_removed = deduplicate(interactions, by=rule.by)
    tally = SplitTally(n_removed)
    (marked,) = rule.mark(_OneTable(rows), tally.odd)
    parts = split_rows(marked)
    tally.add(parts)
    train, valid, test = parts
    return Split(train, valid, test, rule.name, tally.notes)


class _OneTable:
    """`Tables` of one that is in memory."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    def __call__(self, *columns: str) -> Iterator[pl.DataFrame]:
        yield self._rows.select(columns) if columns else self._rows


def deduplicate(
    interactions: pl.DataFrame, keep: Literal["first", "last"] = "first", by: Sequence[str] = (USER_ID, ITEM_ID)
) -> tuple[pl.DataFrame, int]:
    """One row for each (user, item): the earliest, or the latest; among equals, or without timestamps, the one least in the other columns.

    Returns the rows, sorted by user_id and item_id, and how many were dropped. `by` may have `split` as well; else that column goes.
    """
    interactions = interactions if SPLIT in by else interactions.drop(SPLIT, strict=False)
    if _rises(interactions, by):
        return interactions, 0
    order, keys = text_order(interactions, by)
    repeated = (keys == keys.shift()).fill_null(False) | (keys == keys.shift(-1)).fill_null(False)
    some = interactions[order.filter(repeated)].with_columns(keys.filter(repeated).alias(_KEY), repeated.arg_true().alias(_ROW))
    del keys
    time = [name for name in interactions.columns if name == TIMESTAMP]
    columns = [_KEY, *time, *(name for name in interactions.columns if name not in (*by, *time))]
    some = some.sort(columns, descending=[name in time and keep == "last" for name in columns], nulls_last=True)
    kept = ~repeated
    kept[some.unique(_KEY, keep="first", maintain_order=True)[_ROW]] = True
    order = order.filter(kept)
    return gather(interactions, order), len(interactions) - len(order)


def _rises(rows: pl.DataFrame, by: Sequence[str] = (USER_ID, ITEM_ID)) -> bool:
    """Whether every row is above the one before it by these columns, the first counting most: sorted, and none repeated."""
    if any(rows[key].null_count() for key in by):
        return False
    above, equal = pl.lit(False), pl.lit(True)
    for key in by:
        above |= equal & (pl.col(key) > pl.col(key).shift())
        equal &= pl.col(key) == pl.col(key).shift()
    return bool(rows.lazy().select(above.fill_null(True).all()).collect(engine="streaming").item())
