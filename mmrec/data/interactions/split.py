"""Split interactions into train, valid and test: pure functions of the rows, a seed and ratios, independent of the order of rows but for
`folds`, and for ties in time in `leave_last_out`.

    random_ratio     random rows: comparable with much published work, but training sees the future
    user_time        each user's oldest rows for training, the newest for testing; the future of other users still leaks
    global_time      two cuts in time for all rows: the situation of a deployed service
    leave_last_out   each user's last row for testing, the one before for validation
    cold_item        random items with all their rows are held out: no training interactions with them
    cold_user        random users with all their rows are held out, but for the first `n_given`: new users, or users with few interactions
    given            the parts given by the publisher of the data in the column `split`
    folds            one of several consecutive blocks of the file for testing: the published folds of MovieLens-100K

Every split reduces repeated (user, item) pairs to one row and keeps all other rows; of impressions, which have labels of 0, only rows of
the same user, item, time and position are one (`distinct_rows`). Only `given` reads the column `split`, and the
resulting tables do not contain it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from mmrec.data.interactions.split_rules import (
    ColdItem,
    ColdUser,
    Folds,
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
from mmrec.errors import ConfigError
from mmrec.files.storage import sha256_frame, sha256_text
from mmrec.types import FILE_ROW, ITEM_ID, LABEL, POSITION, SPLIT, TIMESTAMP, USER_ID

_ROW, _KEY = "__row__", "__key__"


@dataclass(frozen=True)
class Split:
    """Three disjoint tables with the columns of the interactions except `split`, each sorted by user_id, then item_id."""

    train: pl.DataFrame
    valid: pl.DataFrame
    test: pl.DataFrame
    name: str
    notes: tuple[str, ...] = ()
    """Sentences on rows that were dropped and users or items that training does not contain, with counts."""

    @cached_property
    def hash(self) -> str:
        """The SHA-256 (hex) of the content of the three tables."""
        return sha256_text(*(sha256_frame(part) for part in (self.train, self.valid, self.test)))


def random_ratio(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0) -> Split:
    """Hold out random rows of the whole table; the fraction may differ between users."""
    return _split(interactions, RandomRatio(valid_ratio, test_ratio, seed))


def user_time(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1) -> Split:
    """Hold out each user's newest rows, rounded half up, but never the oldest one. Raises DataError without timestamps."""
    return _split(interactions, UserTime(valid_ratio, test_ratio))


def global_time(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1) -> Split:
    """Cut all rows at two times, such that the newest `test_ratio` are the test part and the `valid_ratio` before them the validation part.

    Rows with equal timestamps are never separated: those at a cut go to the later part. Raises DataError without timestamps, or if so many
    rows share one timestamp that none is left to train on.
    """
    return _split(interactions, GlobalTime(valid_ratio, test_ratio))


def leave_last_out(interactions: pl.DataFrame, *, ties: str = "file_order") -> Split:
    """Hold out each user's last row for test and the one before for validation; users with fewer than three rows only train.

    Args:
        interactions: the rows.
        ties: of rows of a user at the same time: with `file_order`, the later in the files is the later; with `together`, all rows of the
            last time are for test and all of the time before for validation, and users with fewer than three times only train.

    Raises:
        DataError: there are no timestamps.
    """
    return _split(interactions, LeaveLastOut(ties))


def cold_item(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0) -> Split:
    """Hold out random items with all of their rows; the ratios count items, not rows."""
    return _split(interactions, ColdItem(valid_ratio, test_ratio, seed))


def cold_user(
    interactions: pl.DataFrame, *, valid_ratio: float = 0.1, test_ratio: float = 0.1, seed: int = 0, n_given: int | None = None
) -> Split:
    """Hold out random users with all of their rows, or all but the first; the ratios count users.

    Args:
        interactions: the rows.
        valid_ratio: the fraction of users whose rows are for validation.
        test_ratio: the fraction of users whose rows are for testing.
        seed: of the selection of users, and of the order of rows at the same time or without times.
        n_given: how many of the first rows of each of these users train, so that every model knows the same of them; None: 0.
            Users without more rows are not tested.

    Raises:
        ConfigError: a ratio or `n_given` is invalid.
    """
    if n_given is not None and n_given < 0:
        raise ConfigError(f"split.n_given: expected at least 0, found {n_given}")
    return _split(interactions, ColdUser(valid_ratio, test_ratio, seed, n_given))


def given(interactions: pl.DataFrame, *, valid_ratio: float = 0.1, seed: int = 0) -> Split:
    """Use the parts in the column `split`; if none is for validation, draw `valid_ratio` of the training rows at random for it.

    A (user, item) pair in several parts stays in the first of train, valid and test, so that no test pair was trained on. Raises DataError
    if there is no such column, or a row has none of the three values in it.
    """
    return _split(interactions, Given(valid_ratio, seed))


def folds(interactions: pl.DataFrame, *, n_folds: int = 5, fold: int = 1, valid_ratio: float = 0.05, seed: int = 0) -> Split:
    """Test on the `fold`-th of `n_folds` consecutive blocks of rows, in the order of the files, and train on all others.

    Row k of n, counted from 0, is in fold ⌊k · n_folds / n⌋ + 1. Of the other folds, `valid_ratio` of the rows are drawn at random for
    validation. Of a repeated (user, item) pair, the row that stays decides the fold.
    """
    return _split(interactions, Folds(n_folds, fold, valid_ratio, seed))


def _split(interactions: pl.DataFrame, rule: Rule) -> Split:
    if rule.needs_file_rows and FILE_ROW not in interactions.columns:
        interactions = interactions.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))
    rule.check(interactions.columns)
    rule.check_rows(_OneTable(interactions))
    rows, n_removed = distinct_rows(interactions, by=rule.by)
    tally = SplitTally(n_removed)
    (marked,) = rule.mark(_OneTable(rows), tally.odd)
    parts = split_rows(marked)
    tally.add(parts)
    train, valid, test = parts
    return Split(train, valid, test, rule.name, tally.notes)


class _OneTable:
    """A single in-memory table as `Tables`."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows

    def __call__(self, *columns: str) -> Iterator[pl.DataFrame]:
        yield self._rows.select(columns) if columns else self._rows


def distinct_rows(
    interactions: pl.DataFrame, keep: Literal["first", "last"] = "first", by: Sequence[str] = (USER_ID, ITEM_ID)
) -> tuple[pl.DataFrame, int]:
    """As `deduplicate`, but keep all impressions: rows of a table in which some have label 0.

    Of impressions at the same time and position of the same pair, one stays, the one with the highest label; without a column of times,
    all stay.
    """
    if LABEL not in interactions.columns or not (interactions[LABEL] == 0).any():
        return deduplicate(interactions, keep, by)
    rows = interactions if SPLIT in by else interactions.drop(SPLIT, strict=False)
    more = [name for name in (TIMESTAMP, POSITION) if name in rows.columns]
    rows = rows.sort(*by, *more, LABEL, descending=[False] * (len(by) + len(more)) + [True], nulls_last=True, maintain_order=True)
    once = rows.unique([*by, *more], keep="first", maintain_order=True) if TIMESTAMP in more else rows
    return once, len(rows) - len(once)


def deduplicate(
    interactions: pl.DataFrame, keep: Literal["first", "last"] = "first", by: Sequence[str] = (USER_ID, ITEM_ID)
) -> tuple[pl.DataFrame, int]:
    """Keep one row per (user, item): the earliest or the latest; ties, and rows without timestamps, by the smallest other columns.

    Returns:
        The rows, sorted by user_id and item_id, and the number of dropped rows. The column `split` is kept if `by` contains it.
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
    """Whether the rows are strictly ascending in these columns, compared lexicographically: sorted and without repetitions."""
    if any(rows[key].null_count() for key in by):
        return False
    above, equal = pl.lit(False), pl.lit(True)
    for key in by:
        above |= equal & (pl.col(key) > pl.col(key).shift())
        equal &= pl.col(key) == pl.col(key).shift()
    return bool(rows.lazy().select(above.fill_null(True).all()).collect(engine="streaming").item())
