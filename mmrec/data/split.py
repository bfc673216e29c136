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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from mmrec.data.ranks import distinct, gather, missing, text_order
from mmrec.data.storage import sha256_frame, sha256_text
from mmrec.errors import ConfigError, DataError
from mmrec.types import ITEM_ID, PARTS, SPLIT, TIMESTAMP, USER_ID

_PART = "__part__"
_FROM_END, _N, _ROW, _KEY = "__from_end__", "__n__", "__row__", "__key__"


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


def random_ratio(interactions: pl.DataFrame, *, valid_ratio: float, test_ratio: float, seed: int) -> Split:
    """Holds out random rows of the whole table; a user's share may be larger or smaller."""
    _check_ratios(valid_ratio, test_ratio)
    rows, n_removed = deduplicate(interactions)
    from_end = pl.Series(_FROM_END, np.random.default_rng(seed).permutation(len(rows)))
    parts = rows.with_columns(from_end, pl.lit(len(rows)).alias(_N)).with_columns(_part_by_ratio(valid_ratio, test_ratio))
    return _collect(parts, "random_ratio", n_removed)


def user_time(interactions: pl.DataFrame, *, valid_ratio: float, test_ratio: float) -> Split:
    """Holds out the newest rows of each user, rounded half up, but never the oldest one. Raises DataError without timestamps."""
    _check_ratios(valid_ratio, test_ratio)
    rows, n_removed = deduplicate(_require_time(interactions, "user_time"))
    parts = _count_from_newest(rows).with_columns(_part_by_ratio(valid_ratio, test_ratio))
    return _collect(parts, "user_time", n_removed)


def global_time(interactions: pl.DataFrame, *, valid_ratio: float, test_ratio: float) -> Split:
    """Cuts all rows at two moments, such that the newest `test_ratio` of them test and the `valid_ratio` before them validate.

    Rows of one moment are never parted: those at a cut go to the later side. Raises DataError without timestamps, or where one moment holds
    so many rows that none is left to train on.
    """
    _check_ratios(valid_ratio, test_ratio)
    rows, n_removed = deduplicate(_require_time(interactions, "global_time"))
    valid_from, test_from = _moments(rows[TIMESTAMP].sort(), valid_ratio, test_ratio)
    time = pl.col(TIMESTAMP)
    parts = rows.with_columns(pl.when(time >= test_from).then(2).when(time >= valid_from).then(1).otherwise(0).alias(_PART))
    return _collect(parts, "global_time", n_removed)


def leave_last_out(interactions: pl.DataFrame) -> Split:
    """Each user's last row tests, the one before validates; users with fewer than three train. Raises DataError without timestamps."""
    rows, n_removed = deduplicate(_require_time(interactions, "leave_last_out"))
    part = pl.when(pl.col(_N) < 3).then(0).otherwise((2 - pl.col(_FROM_END)).clip(lower_bound=0))
    return _collect(_count_from_newest(rows).with_columns(part.alias(_PART)), "leave_last_out", n_removed)


def cold_item(interactions: pl.DataFrame, *, valid_ratio: float, test_ratio: float, seed: int) -> Split:
    """Holds out random items with all of their rows; the ratios are of items, so those of rows differ."""
    return _hold_out(interactions, ITEM_ID, "cold_item", valid_ratio, test_ratio, seed)


def cold_user(interactions: pl.DataFrame, *, valid_ratio: float, test_ratio: float, seed: int) -> Split:
    """Holds out random users with all of their rows; the ratios are of users. What a model shows to them, it shows to any newcomer."""
    return _hold_out(interactions, USER_ID, "cold_user", valid_ratio, test_ratio, seed)


def given(interactions: pl.DataFrame, *, valid_ratio: float, seed: int) -> Split:
    """The parts that the column `split` names; where nothing is left to validate on, random rows of train, `valid_ratio` of them, do.

    Nobody is tested on what training knew: a (user, item) in several parts stays in the first of train, valid and test. Raises DataError
    where there is no such column, or a row has none of the three in it.
    """
    _check_ratios(valid_ratio, 0.0)
    if SPLIT not in interactions.columns:
        raise DataError(
            f"split=given needs a column `{SPLIT}` of {', '.join(PARTS)}, the interactions have {_listed(interactions)}; "
            f"name the column that holds the parts with data.columns.{SPLIT}=…, or choose another split"
        )
    without = interactions.filter(~pl.col(SPLIT).is_in(PARTS).fill_null(False))
    if len(without):
        raise DataError(
            f"split=given: expected {', '.join(PARTS)} in the column `{SPLIT}` of every row, {len(without):,} of {len(interactions):,} "
            f"have none of them, the first is of user `{without[USER_ID][0]}` and item `{without[ITEM_ID][0]}`"
        )
    rows, n_removed = deduplicate(interactions, by=(USER_ID, ITEM_ID, SPLIT))
    rows = rows.with_columns(pl.col(SPLIT).replace_strict(PARTS, range(len(PARTS))).alias(_PART)).sort(_PART, maintain_order=True)
    kept = rows.unique([USER_ID, ITEM_ID], keep="first", maintain_order=True)
    lost = {name: int((rows[_PART] == part).sum() - (kept[_PART] == part).sum()) for part, name in enumerate(PARTS)}
    notes = [f"{n:,} rows of {name} are left out: an earlier part has their user and item" for name, n in lost.items() if n]
    if not (kept[_PART] == 1).any():
        train, test = kept.filter(pl.col(_PART) == 0), kept.filter(pl.col(_PART) == 2)
        from_end = pl.Series(_FROM_END, np.random.default_rng(seed).permutation(len(train)))
        train = train.with_columns(from_end, pl.lit(len(train)).alias(_N)).with_columns(_part_by_ratio(valid_ratio, 0.0))
        kept = pl.concat([train, test], how="diagonal_relaxed")
        notes.append(f"no rows are given to validate on: {(train[_PART] == 1).sum():,} of {len(train):,} of train are drawn for that")
    return _collect(kept, "given", n_removed, notes)


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
    return rows.lazy().select(above.fill_null(True).all()).collect(engine="streaming").item()


def _hold_out(interactions: pl.DataFrame, key: str, name: str, valid_ratio: float, test_ratio: float, seed: int) -> Split:
    _check_ratios(valid_ratio, test_ratio)
    rows, n_removed = deduplicate(interactions)
    ids = rows.select(pl.col(key).unique().sort())
    from_end = pl.Series(_FROM_END, np.random.default_rng(seed).permutation(len(ids)))
    ids = ids.with_columns(from_end, pl.lit(len(ids)).alias(_N)).select(key, _part_by_ratio(valid_ratio, test_ratio))
    return _collect(rows.join(ids, on=key, maintain_order="left"), name, n_removed)


def _check_ratios(valid_ratio: float, test_ratio: float) -> None:
    for name, ratio in (("valid_ratio", valid_ratio), ("test_ratio", test_ratio)):
        if not 0 <= ratio < 1:
            raise ConfigError(f"split.{name}: expected a share from 0 up to, not including, 1, found {ratio}")
    if valid_ratio + test_ratio >= 1:
        raise ConfigError(
            f"split.valid_ratio + split.test_ratio: expected less than 1, or nothing is left to train on, found {valid_ratio + test_ratio}"
        )


def _require_time(interactions: pl.DataFrame, name: str) -> pl.DataFrame:
    if TIMESTAMP in interactions.columns:
        return interactions
    raise DataError(
        f"split={name} needs a column `{TIMESTAMP}`, the interactions have {_listed(interactions)}; "
        f"name the column that holds the times with data.columns.{TIMESTAMP}=…, or choose split=random_ratio or split=cold_item"
    )


def _listed(interactions: pl.DataFrame) -> str:
    return ", ".join(f"`{column}`" for column in interactions.columns)


def _count_from_newest(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds how far each row is from its user's newest (0), ties by item_id, and how many rows the user has. The rows are sorted by ids."""
    user, n = rows[USER_ID].rle_id(), rows[USER_ID].rle().struct.field("len").cast(pl.Int64)
    by_time = rows.select(pl.arg_sort_by(user, TIMESTAMP, maintain_order=True)).to_series()  # each user's rows fill the same places
    from_end = np.empty(len(rows), dtype=np.int64)
    from_end[by_time.to_numpy()] = n.cum_sum().gather(user).to_numpy() - 1 - np.arange(len(rows))
    return rows.with_columns(pl.Series(_FROM_END, from_end), n.gather(user).alias(_N))


def _part_by_ratio(valid_ratio: float, test_ratio: float) -> pl.Expr:
    """Of n rows the last round(n * test_ratio) test, the last round(n * (valid_ratio + test_ratio)) are held out, the first trains."""
    middle, tolerance = pl.col(_FROM_END) + 0.5, 1e-9  # row k is held out when its middle is inside of the share: that rounds half up
    is_test = middle <= pl.col(_N) * test_ratio + tolerance
    is_held_out = middle <= pl.col(_N) * (valid_ratio + test_ratio) + tolerance
    is_first = pl.col(_FROM_END) == pl.col(_N) - 1
    return pl.when(is_first | ~is_held_out).then(0).when(is_test).then(2).otherwise(1).alias(_PART)


def _moments(times: pl.Series, valid_ratio: float, test_ratio: float) -> tuple[float, float]:
    """From when on, of sorted times, rows validate and test. Raises DataError where none are left to train on."""
    test_from = _cut(times, test_ratio)
    valid_from = min(_cut(times, valid_ratio + test_ratio), test_from)
    if len(times) and valid_from <= times[0]:
        raise DataError(
            f"split=global_time leaves nothing to train on: {(times == times[0]).sum():,} of {len(times):,} interactions are of the first "
            f"moment, {times[0]}; expected timestamps that differ"
        )
    return valid_from, test_from


def _cut(times: pl.Series, ratio: float) -> float:
    """The moment from which on at least round(n * ratio) of the sorted times lie; infinity where that is none."""
    n_after = int(len(times) * ratio + 0.5 + 1e-9)
    return float(times[len(times) - n_after]) if n_after else float("inf")


def _collect(rows: pl.DataFrame, name: str, n_removed: int, odd: Sequence[str] = ()) -> Split:
    """The split of rows that bear a part (0 train, 1 valid, 2 test), with notes on what was odd and what is missing in it."""
    columns = [column for column in rows.columns if column not in (_PART, _FROM_END, _N, SPLIT)]
    rows = rows if _rises(rows) else gather(rows, text_order(rows, (USER_ID, ITEM_ID))[0])
    train, valid, test = (rows.select(columns).filter(rows[_PART] == part) for part in range(len(PARTS)))
    notes = [f"{n_removed:,} repeated (user, item) rows were reduced to the first"] if n_removed else []
    notes += odd
    notes += [f"{part} has no rows" for part, table in zip(PARTS, (train, valid, test), strict=True) if table.is_empty()]
    for key, kind in ((USER_ID, "users"), (ITEM_ID, "items")):
        tested = distinct(test[key])
        if n_unseen := len(missing(tested, train[key])):
            notes.append(f"{n_unseen:,} of {len(tested):,} {kind} in test have no row in train")
    return Split(train, valid, test, name, tuple(notes))
