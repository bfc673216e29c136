"""The split rules for interactions in one or many tables: global statistics first, then each table on its own.

The tables contain disjoint ascending ranges of users, each sorted by user_id, then item_id, without repeated rows. The result does not
depend on the number of tables. Memory for all rows at a time is limited to two cut times, the distinct ids of one column, or 8 bytes per
row where rows are drawn at random.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, cast

import numpy as np
import polars as pl
from jaxtyping import Int64

from mmrec.data.interactions.quantiles import order_statistics
from mmrec.data.interactions.split_draws import FROM_END, N_ROWS, PART, Draw, give_first, part_by_ratio
from mmrec.data.tables.id_codes import Distinct, missing
from mmrec.errors import ConfigError, DataError
from mmrec.types import FILE_ROW, ITEM_ID, PARTS, SPLIT, TIMESTAMP, USER_ID

_TIMES_FROM_END, _N_TIMES = "__times_from_end__", "__n_times__"
TIES = ("file_order", "together")
"""How `leave_last_out` treats rows of a user at the same time: the later in the files is the later, or all are held out together."""


class Tables(Protocol):
    """Interactions that can be iterated over repeatedly."""

    def __call__(self, *columns: str) -> Iterator[pl.DataFrame]:
        """Yield the tables in order, with the given columns or all of them."""
        ...


@dataclass(frozen=True)
class Rule(ABC):
    """A rule that assigns interactions to train, valid and test."""

    name: ClassVar[str]
    needs_time: ClassVar[bool] = False
    needs_file_rows: ClassVar[bool] = False
    """Whether tables must have the column `FILE_ROW`."""
    by: ClassVar[tuple[str, ...]] = (USER_ID, ITEM_ID)
    """The key columns: marked rows are distinct in them."""

    def check(self, columns: Sequence[str]) -> None:
        """Raise DataError if a required column is missing."""
        if self.needs_time and TIMESTAMP not in columns:
            raise DataError(
                f"split={self.name} needs a column `{TIMESTAMP}`, the interactions have {_listed(columns)}; "
                f"name the column that holds the times with data.columns.{TIMESTAMP}=…, or choose split=random_ratio or split=cold_item"
            )
        if self.needs_file_rows and FILE_ROW not in columns:
            raise DataError(f"split={self.name} needs the rows in the order of the files, which the column `{FILE_ROW}` has")

    def check_rows(self, tables: Tables) -> None:  # noqa: B027, most rules take any row
        """Raise DataError for rows that cannot be assigned to a part; called before repeated rows are removed."""

    @abstractmethod
    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        """Yield the tables in order with the column `PART`, possibly without some rows; add remarks to `notes` before the first table."""


@dataclass(frozen=True)
class _ByRatio(Rule):
    valid_ratio: float
    test_ratio: float

    def __post_init__(self) -> None:
        check_ratios(self.valid_ratio, self.test_ratio)


@dataclass(frozen=True)
class RandomRatio(_ByRatio):
    """Random rows, drawn from all tables together."""

    seed: int
    name = "random_ratio"

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        draw = Draw(sum(map(len, tables(USER_ID))), self.seed)
        for rows in tables():
            yield rows.with_columns(draw.parts(len(rows), self.valid_ratio, self.test_ratio))


@dataclass(frozen=True)
class UserTime(_ByRatio):
    """The newest rows of each user."""

    name = "user_time"
    needs_time = True

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        for rows in tables():
            yield _count_from_newest(rows).with_columns(part_by_ratio(self.valid_ratio, self.test_ratio)).drop(FROM_END, N_ROWS)


@dataclass(frozen=True)
class GlobalTime(_ByRatio):
    """Two cuts in time for all rows."""

    name = "global_time"
    needs_time = True

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        valid_from, test_from = _moments(lambda: (rows[TIMESTAMP] for rows in tables(TIMESTAMP)), self.valid_ratio, self.test_ratio)
        time = pl.col(TIMESTAMP)
        for rows in tables():
            yield rows.with_columns(pl.when(time >= test_from).then(2).when(time >= valid_from).then(1).otherwise(0).alias(PART))


@dataclass(frozen=True)
class LeaveLastOut(Rule):
    """The last two rows of each user, or all rows of the last two times."""

    ties: str = TIES[0]
    name = "leave_last_out"
    needs_time = True
    needs_file_rows = True

    def __post_init__(self) -> None:
        if self.ties not in TIES:
            raise ConfigError(f"split.ties: expected {' or '.join(TIES)}, found {self.ties}")

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        n_tied = n_users = 0
        for rows in tables(USER_ID, TIMESTAMP):
            last = rows.group_by(USER_ID).agg((pl.col(TIMESTAMP) == pl.col(TIMESTAMP).max()).sum().alias("n"))
            n_tied, n_users = n_tied + int((last["n"] > 1).sum()), n_users + len(last)
        if n_tied:
            how = "the order of the files decides" if self.ties == TIES[0] else "all rows of a time are held out together"
            notes.append(f"{n_tied:,} of {n_users:,} users have several rows at their last time: {how}")
        from_end, n = (FROM_END, N_ROWS) if self.ties == TIES[0] else (_TIMES_FROM_END, _N_TIMES)
        part = pl.when(pl.col(n) < 3).then(0).otherwise((2 - pl.col(from_end)).clip(lower_bound=0)).alias(PART)
        for rows in tables():
            counted = _count_from_newest(rows, (FILE_ROW,)) if self.ties == TIES[0] else _count_times_from_newest(rows)
            yield counted.with_columns(part).drop(from_end, n)


@dataclass(frozen=True)
class ColdItem(_ByRatio):
    """Random items."""

    seed: int
    name = "cold_item"

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        ids = _drawn_ids(tables, ITEM_ID, self, self.seed)
        for rows in tables():
            yield rows.join(ids, on=ITEM_ID, maintain_order="left")


@dataclass(frozen=True)
class ColdUser(_ByRatio):
    """Random users, but for the first `n_given` rows of each."""

    seed: int
    n_given: int | None = None
    name = "cold_user"

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        ids = _drawn_ids(tables, USER_ID, self, self.seed)
        if self.n_given:
            held_out = ids.filter(pl.col(PART) > 0).select(USER_ID)
            counts = [rows.join(held_out, on=USER_ID, how="semi")[USER_ID].value_counts()["count"] for rows in tables(USER_ID)]
            n_users, n_all = len(held_out), sum(int((some <= self.n_given).sum()) for some in counts)
            notes.append(f"the first {self.n_given} interactions of {n_users:,} held-out users are in train")
            notes += [f"{n_all:,} of them have no others, so they are not tested"] if n_all else []
        ties = np.random.default_rng((self.seed, 1))
        for rows in tables():
            marked = rows.join(ids, on=USER_ID, maintain_order="left")
            yield give_first(marked, self.n_given, ties.random(len(rows))) if self.n_given else marked


def _drawn_ids(tables: Tables, key: str, rule: _ByRatio, seed: int) -> pl.DataFrame:
    """The distinct ids of a column, each with the part that is drawn for it."""
    known = Distinct()
    for rows in tables(key):
        known.add(rows[key])
    ids = known.ids.sort().alias(key).to_frame()
    del known
    return ids.with_columns(Draw(len(ids), seed).parts(len(ids), rule.valid_ratio, rule.test_ratio))


@dataclass(frozen=True)
class Given(Rule):
    """The parts given in the column `split`."""

    valid_ratio: float
    seed: int
    name = "given"
    by = (USER_ID, ITEM_ID, SPLIT)

    def __post_init__(self) -> None:
        check_ratios(self.valid_ratio, 0.0)

    def check(self, columns: Sequence[str]) -> None:
        if SPLIT not in columns:
            raise DataError(
                f"split=given needs a column `{SPLIT}` of {', '.join(PARTS)}, the interactions have {_listed(columns)}; "
                f"name the column that holds the parts with data.columns.{SPLIT}=…, or choose another split"
            )

    def check_rows(self, tables: Tables) -> None:
        n, n_without, first = 0, 0, None
        for rows in tables(*self.by):
            without = rows.filter(~pl.col(SPLIT).is_in(PARTS).fill_null(False))
            first = first if first is not None or without.is_empty() else without.row(0, named=True)
            n, n_without = n + len(rows), n_without + len(without)
        if first is not None:
            raise DataError(
                f"split=given: expected {', '.join(PARTS)} in the column `{SPLIT}` of every row, {n_without:,} of {n:,} "
                f"have none of them, the first is of user `{first[USER_ID]}` and item `{first[ITEM_ID]}`"
            )

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        given, kept = np.zeros(len(PARTS), dtype=np.int64), np.zeros(len(PARTS), dtype=np.int64)
        for rows in tables(*self.by):
            part, is_first = _given_parts(rows)
            given += np.bincount(part, minlength=len(PARTS))
            kept += np.bincount(part[is_first], minlength=len(PARTS))
        lost = dict(zip(PARTS, (given - kept).tolist(), strict=True))
        notes += [f"{n:,} rows of {name} are left out: an earlier part has their user and item" for name, n in lost.items() if n]
        n_train, n_valid = kept[:2].tolist()
        draw = None if n_valid else Draw(n_train, self.seed)
        if draw is not None:
            n_drawn = int((draw.all_parts(self.valid_ratio, 0.0) == 1).sum())
            notes.append(f"no rows are given to validate on: {n_drawn:,} of {n_train:,} of train are drawn for that")
        for rows in tables():
            part, is_first = _given_parts(rows)
            if draw is not None:
                is_train = is_first & (part == 0)
                part[is_train] = draw.parts(int(is_train.sum()), self.valid_ratio, 0.0).to_numpy()
            yield rows.with_columns(pl.Series(PART, part)).filter(pl.Series(is_first))


@dataclass(frozen=True)
class Folds(Rule):
    """Consecutive blocks of the files' rows, one of which is the test part."""

    n_folds: int
    fold: int
    valid_ratio: float
    seed: int
    name = "folds"
    needs_file_rows = True

    def __post_init__(self) -> None:
        check_ratios(self.valid_ratio, 0.0)
        if self.n_folds < 2:
            raise ConfigError(f"split.n_folds: expected at least 2, found {self.n_folds}")
        if not 1 <= self.fold <= self.n_folds:
            raise ConfigError(f"split.fold: expected a whole number from 1 to {self.n_folds}, found {self.fold}")

    def mark(self, tables: Tables, notes: list[str]) -> Iterator[pl.DataFrame]:
        n_rows = 1 + max((cast("int", rows[FILE_ROW].max()) for rows in tables(FILE_ROW) if len(rows)), default=-1)
        is_test = pl.col(FILE_ROW) * self.n_folds // max(1, n_rows) == self.fold - 1
        n_others = sum(int((~rows.select(is_test).to_series()).sum()) for rows in tables(FILE_ROW))
        draw = Draw(n_others, self.seed)
        for rows in tables():
            tested = rows.select(is_test).to_series().to_numpy()
            part = np.full(len(rows), 2)
            part[~tested] = draw.parts(int((~tested).sum()), self.valid_ratio, 0.0).to_numpy()
            yield rows.with_columns(pl.Series(PART, part))


RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (RandomRatio, UserTime, GlobalTime, LeaveLastOut, ColdItem, ColdUser, Given, Folds)
}
"""The rules by the name of the split."""


@dataclass
class SplitTally:
    """Statistics of a split, accumulated table by table."""

    n_removed: int = 0
    """The number of repeated rows that were left out."""
    odd: list[str] = field(default_factory=list)
    n_rows: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    _tested: dict[str, int] = field(default_factory=lambda: {USER_ID: 0, ITEM_ID: 0})
    _unseen: dict[str, int] = field(default_factory=lambda: {USER_ID: 0, ITEM_ID: 0})
    _items: tuple[Distinct, Distinct] = field(default_factory=lambda: (Distinct(), Distinct()))

    def add(self, parts: Sequence[pl.DataFrame]) -> None:
        """Add the train, valid and test part of one table. No two tables have users in common."""
        train, _, test = parts
        self.n_rows = [n + len(part) for n, part in zip(self.n_rows, parts, strict=True)]
        users = test[USER_ID].rle().struct.field("value")
        self._tested[USER_ID] += len(users)
        self._unseen[USER_ID] += len(missing(users, train[USER_ID]))
        for known, part in zip(self._items, (train, test), strict=True):
            known.add(part[ITEM_ID])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on dropped rows, empty parts, and users and items without training rows."""
        train, test = self._items
        tested = self._tested | {ITEM_ID: len(test.ids)}
        unseen = self._unseen | {ITEM_ID: len(missing(test.ids, train.repeated))}
        return (
            *([f"{self.n_removed:,} repeated (user, item) rows were reduced to the first"] if self.n_removed else []),
            *self.odd,
            *(f"{part} has no rows" for part, n in zip(PARTS, self.n_rows, strict=True) if not n),
            *(
                f"{unseen[key]:,} of {tested[key]:,} {kind} in test have no row in train"
                for key, kind in ((USER_ID, "users"), (ITEM_ID, "items"))
                if unseen[key]
            ),
        )


def split_rows(marked: pl.DataFrame) -> list[pl.DataFrame]:
    """Separate a marked table into train, valid and test, without the columns `PART`, `split` and `FILE_ROW`."""
    columns = [column for column in marked.columns if column not in (PART, SPLIT, FILE_ROW)]
    return [marked.select(columns).filter(marked[PART] == part) for part in range(len(PARTS))]


def check_parts(name: str, n_rows: Sequence[int]) -> None:
    """Raise DataError if train, valid or test has no rows."""
    for part, n in zip(PARTS, n_rows, strict=True):
        if not n:
            raise DataError(f"split {name}: the {part} part of {sum(n_rows):,} interactions is empty; use more data or other ratios")


def check_ratios(valid_ratio: float, test_ratio: float) -> None:
    """Raise ConfigError if the held-out fractions are out of range or leave nothing to train on."""
    for name, ratio in (("valid_ratio", valid_ratio), ("test_ratio", test_ratio)):
        if not 0 <= ratio < 1:
            raise ConfigError(f"split.{name}: expected a share from 0 up to, not including, 1, found {ratio}")
    if valid_ratio + test_ratio >= 1:
        raise ConfigError(
            f"split.valid_ratio + split.test_ratio: expected less than 1, or nothing is left to train on, found {valid_ratio + test_ratio}"
        )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns if column != FILE_ROW)


def _count_from_newest(rows: pl.DataFrame, then_by: tuple[str, ...] = ()) -> pl.DataFrame:
    """Add each row's distance from its user's newest row (0), ties by further columns or item_id, and the user's number of rows.

    Rows are sorted by ids.
    """
    user, n = rows[USER_ID].rle_id(), rows[USER_ID].rle().struct.field("len").cast(pl.Int64)
    by_time = rows.select(pl.arg_sort_by(user, TIMESTAMP, *then_by, maintain_order=True)).to_series()  # users keep their range of positions
    from_end = np.empty(len(rows), dtype=np.int64)
    from_end[by_time.to_numpy()] = n.cum_sum().gather(user).to_numpy() - 1 - np.arange(len(rows))
    return rows.with_columns(pl.Series(FROM_END, from_end), n.gather(user).alias(N_ROWS))


def _count_times_from_newest(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the number of the user's later times, and of all of the user's times."""
    time = pl.col(TIMESTAMP)
    later = time.rank("dense", descending=True).over(USER_ID).cast(pl.Int64) - 1
    return rows.with_columns(later.alias(_TIMES_FROM_END), time.n_unique().over(USER_ID).cast(pl.Int64).alias(_N_TIMES))


def _moments(times: Callable[[], Iterator[pl.Series]], valid_ratio: float, test_ratio: float) -> tuple[float, float]:
    """The times from which on rows validate and test. Raises DataError if no rows are left to train on."""
    n, infinity = sum(map(len, times())), float("inf")
    n_after = [int(n * ratio + 0.5 + 1e-9) for ratio in (test_ratio, valid_ratio + test_ratio)]
    found = order_statistics(times, [0, *(n - one for one in n_after if one)]) if n else []
    test_from, valid_from = (float(found[-sum(map(bool, n_after[place:]))]) if n_after[place] else infinity for place in (0, 1))
    valid_from = min(valid_from, test_from)
    if n and valid_from <= found[0]:
        n_first = sum(int((some == found[0]).sum()) for some in times())
        raise DataError(
            f"split=global_time leaves nothing to train on: {n_first:,} of {n:,} interactions are of the first "
            f"moment, {found[0]}; expected timestamps that differ"
        )
    return valid_from, test_from


def _given_parts(rows: pl.DataFrame) -> tuple[Int64[np.ndarray, " n"], np.ndarray]:
    """The part given to each row, and whether no earlier part contains its pair. Rows of one pair are adjacent."""
    part = rows[SPLIT].replace_strict(PARTS, range(len(PARTS)), return_dtype=pl.Int64).to_numpy(writable=True)
    if not len(part):
        return part, np.zeros(0, dtype=bool)
    is_new = rows.select(((pl.col(USER_ID) != pl.col(USER_ID).shift()) | (pl.col(ITEM_ID) != pl.col(ITEM_ID).shift())).fill_null(True))
    starts = np.flatnonzero(is_new.to_series().to_numpy())
    earliest = np.repeat(np.minimum.reduceat(part, starts), np.diff(starts, append=len(part)))
    return part, part == earliest
