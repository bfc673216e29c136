"""Splits: hand-worked ones; and, for any interactions, rows conserved, time ordered, cold items cold, and row order of no effect."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.data.interactions.split import (
    Split,
    cold_item,
    cold_user,
    deduplicate,
    folds,
    global_time,
    leave_last_out,
    random_ratio,
    user_time,
)
from mmrec.data.interactions.split import given as given_parts
from mmrec.errors import ConfigError, DataError

RATIOS = {"valid_ratio": 0.1, "test_ratio": 0.2}
SPLITS: dict[str, Callable[[pl.DataFrame], Split]] = {
    "random_ratio": partial(random_ratio, **RATIOS, seed=3),
    "user_time": partial(user_time, **RATIOS),
    "global_time": partial(global_time, **RATIOS),
    "leave_last_out": partial(leave_last_out, ties="together"),
    "cold_item": partial(cold_item, **RATIOS, seed=3),
    "cold_user": partial(cold_user, **RATIOS, seed=3),
}
FEW = st.integers(0, 7)
EVENTS = st.lists(st.tuples(FEW, FEW, st.integers(0, 20), st.sampled_from([1.0, 2.0, None])), min_size=1, max_size=60)


def table(events: list[tuple]) -> pl.DataFrame:
    rows = [(f"u{user}", f"i{item}", time, rating) for user, item, time, rating in events]
    return pl.DataFrame(
        rows, schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64}, orient="row"
    )


def split_or_none(name: str, interactions: pl.DataFrame) -> Split | None:
    """None where global_time rightly refuses: too many rows at the first moment."""
    try:
        return SPLITS[name](interactions)
    except DataError:
        assert name == "global_time"
        return None


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=25, deadline=None)
@given(events=EVENTS, data=st.data())
def test_rows_are_conserved_and_their_order_is_nothing(name: str, events: list[tuple], data: st.DataObject) -> None:
    interactions = table(events)
    split, shuffled = split_or_none(name, interactions), split_or_none(name, table(data.draw(st.permutations(events))))
    if split is None or shuffled is None:
        assert split is shuffled
        return
    together = pl.concat([split.train, split.valid, split.test]).sort("user_id", "item_id")
    assert together.equals(deduplicate(interactions)[0])
    assert not split.train.is_empty()
    assert split.hash == shuffled.hash
    assert split.name == name


@settings(max_examples=30, deadline=None)
@given(EVENTS)
def test_users_train_on_their_past(events: list[tuple]) -> None:
    for name in ("user_time", "leave_last_out"):
        split = SPLITS[name](table(events))
        for user in split.train["user_id"].unique():
            parts = [part.filter(user_id=user)["timestamp"] for part in (split.train, split.valid, split.test) if user in part["user_id"]]
            assert all(before.max() <= after.min() for before, after in pairwise(parts))
        assert set(split.test["user_id"]) | set(split.valid["user_id"]) <= set(split.train["user_id"])


@settings(max_examples=30, deadline=None)
@given(EVENTS)
def test_no_moment_is_parted_by_global_time(events: list[tuple]) -> None:
    split = split_or_none("global_time", table(events))
    if split is not None:
        parts = [part["timestamp"] for part in (split.train, split.valid, split.test) if not part.is_empty()]
        assert all(before.max() < after.min() for before, after in pairwise(parts))
        n = len(split.train) + len(split.valid) + len(split.test)
        assert len(split.test) >= int(n * 0.2 + 0.5)


@pytest.mark.parametrize(("name", "key"), [("cold_item", "item_id"), ("cold_user", "user_id")])
@settings(max_examples=30, deadline=None)
@given(events=EVENTS)
def test_what_is_cold_never_occurs_in_train(name: str, key: str, events: list[tuple]) -> None:
    split = SPLITS[name](table(events))
    train, valid, test = (set(part[key]) for part in (split.train, split.valid, split.test))
    n = len(train | valid | test)
    assert len(train) + len(valid) + len(test) == n
    assert len(test) == min(int(n * 0.2 + 0.5), n - 1)


def test_deduplicate_keeps_the_earliest_and_then_the_least() -> None:
    rows, n_removed = deduplicate(table([(1, 1, 9, 1.0), (1, 1, 5, 2.0), (1, 1, 5, None), (0, 1, 7, None)]))
    assert rows.rows() == [("u0", "i1", 7, None), ("u1", "i1", 5, 2.0)]
    assert n_removed == 2
    assert (
        random_ratio(table([(1, 1, 9, 1.0), (1, 1, 5, 2.0)]), **RATIOS, seed=0).notes[0]
        == "1 repeated (user, item) rows were reduced to the first"
    )


def test_random_ratio_has_the_ratios_of_the_whole_table_and_follows_the_seed() -> None:
    interactions = table([(n // 10, n % 10, n, None) for n in range(100)])
    split, other = random_ratio(interactions, **RATIOS, seed=3), random_ratio(interactions, **RATIOS, seed=4)
    assert (len(split.train), len(split.valid), len(split.test)) == (70, 10, 20)
    assert split.hash == random_ratio(interactions, **RATIOS, seed=3).hash != other.hash
    assert split.test["user_id"].value_counts()["count"].n_unique() > 1  # not stratified by user


def test_user_time_by_hand() -> None:
    events = [(0, item, 100 - item, None) for item in range(7)] + [(1, 0, 1, None), (1, 1, 2, None)]
    split = user_time(table(events), valid_ratio=0.2, test_ratio=0.2)  # of 7: 1.4 test, 2.8 held out; of 2: 0.4 and 0.8
    assert split.test["item_id"].to_list() == ["i0"]
    assert split.valid.rows() == [("u0", "i1", 99, None), ("u0", "i2", 98, None), ("u1", "i1", 2, None)]
    assert len(split.train) == 5


def test_equal_times_are_ordered_by_item() -> None:
    split = user_time(table([(0, item, 5, None) for item in (2, 0, 1)]), valid_ratio=0.3, test_ratio=0.3)
    assert [part["item_id"].to_list() for part in (split.train, split.valid, split.test)] == [["i0"], ["i1"], ["i2"]]


@pytest.mark.parametrize("name", ["user_time", "leave_last_out"])
@settings(max_examples=30, deadline=None)
@given(events=EVENTS)
def test_each_user_is_cut_as_if_alone(name: str, events: list[tuple]) -> None:
    split, rows = SPLITS[name](table(events)), deduplicate(table(events))[0]
    alone = [SPLITS[name](rows.filter(user_id=user)) for user in rows["user_id"].unique().sort()]
    for part in ("train", "valid", "test"):
        assert getattr(split, part).equals(pl.concat([getattr(one, part) for one in alone]))
    for one in alone:
        by_time = pl.concat([one.train, one.valid, one.test]).sort("timestamp", "item_id")
        assert by_time.equals(pl.concat([part.sort("timestamp", "item_id") for part in (one.train, one.valid, one.test)]))


def test_leave_last_out_by_hand() -> None:
    split = leave_last_out(table([(0, 0, 1, None), (0, 1, 2, None), (1, 5, 9, None), (1, 4, 8, None), (1, 3, 7, None), (1, 2, 6, None)]))
    assert split.test.rows() == [("u1", "i5", 9, None)]
    assert split.valid.rows() == [("u1", "i4", 8, None)]
    assert split.train["item_id"].to_list() == ["i0", "i1", "i2", "i3"]
    assert split.notes == ("1 of 1 items in test have no row in train",)


def test_global_time_puts_ties_on_the_later_side() -> None:
    split = global_time(table([(item, item, time, None) for item, time in enumerate([1, 2, 3, 4, 4])]), valid_ratio=0.2, test_ratio=0.2)
    assert [part["timestamp"].to_list() for part in (split.train, split.valid, split.test)] == [[1, 2, 3], [], [4, 4]]
    assert "valid has no rows" in split.notes
    assert "2 of 2 users in test have no row in train" in split.notes
    with pytest.raises(DataError, match="3 of 3 interactions are of the first moment, 7"):
        global_time(table([(0, item, 7, None) for item in range(3)]), valid_ratio=0.1, test_ratio=0.2)


@pytest.mark.parametrize("name", ["user_time", "global_time", "leave_last_out"])
def test_time_splits_without_times(name: str) -> None:
    with pytest.raises(DataError, match=f"split={name} needs a column `timestamp`, the interactions have `user_id`, `item_id`, `rating`"):
        SPLITS[name](table([(0, 0, 0, None)]).drop("timestamp"))


@pytest.mark.parametrize(
    ("valid_ratio", "test_ratio", "key"), [(-0.1, 0.1, "valid_ratio"), (0.1, 1.0, "test_ratio"), (0.5, 0.5, "less than 1")]
)
def test_wrong_ratios(valid_ratio: float, test_ratio: float, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        random_ratio(table([(0, 0, 0, None)]), valid_ratio=valid_ratio, test_ratio=test_ratio, seed=0)
    with pytest.raises(ConfigError, match=key):
        global_time(table([(0, 0, 0, None)]), valid_ratio=valid_ratio, test_ratio=test_ratio)


PARTED = [
    (0, 0, 1, None, "train"), (0, 1, 2, None, "train"), (0, 1, 1, None, "train"), (1, 0, 3, None, "train"), (1, 2, 3, None, "train"),
    (0, 2, 4, None, "valid"), (0, 0, 0, None, "valid"),
    (1, 1, 5, None, "test"), (0, 2, 9, None, "test"), (1, 2, 0, None, "test"), (2, 3, 6, None, "test"),
]  # fmt: skip


def parted(events: list[tuple]) -> pl.DataFrame:
    return table([event[:4] for event in events]).with_columns(pl.Series("split", [event[4] for event in events], dtype=pl.String))


def ids(part: pl.DataFrame) -> list[tuple[str, str]]:
    return part.select("user_id", "item_id").rows()


def test_given_parts_are_kept_and_what_an_earlier_part_knows_is_left_out() -> None:
    split = given_parts(parted(PARTED), valid_ratio=0.5, seed=3)
    assert split.train.rows() == [("u0", "i0", 1, None), ("u0", "i1", 1, None), ("u1", "i0", 3, None), ("u1", "i2", 3, None)]
    assert ids(split.valid) == [("u0", "i2")]
    assert ids(split.test) == [("u1", "i1"), ("u2", "i3")]
    assert split.train.columns == split.test.columns == ["user_id", "item_id", "timestamp", "rating"]
    assert split.notes == (
        "1 repeated (user, item) rows were reduced to the first",
        "1 rows of valid are left out: an earlier part has their user and item",
        "2 rows of test are left out: an earlier part has their user and item",
        "1 of 2 users in test have no row in train",
        "1 of 2 items in test have no row in train",
    )


@settings(max_examples=25, deadline=None)
@given(events=EVENTS, data=st.data())
def test_given_draws_validation_from_train_where_there_is_none(events: list[tuple], data: st.DataObject) -> None:
    rows = [(*event, "test" if event[0] < 2 else "train") for event in events]
    split, shuffled = (given_parts(parted(some), valid_ratio=0.2, seed=3) for some in (rows, data.draw(st.permutations(rows))))
    assert split.hash == shuffled.hash
    train, test = ({(f"u{row[0]}", f"i{row[1]}") for row in rows if row[4] == part} for part in ("train", "test"))
    assert set(ids(split.test)) == test
    assert set(ids(split.train)) | set(ids(split.valid)) == train and len(split.train) + len(split.valid) == len(train)
    assert len(split.valid) == min(int(len(train) * 0.2 + 0.5), max(len(train) - 1, 0))
    assert f"no rows are given to validate on: {len(split.valid)} of {len(train)} of train are drawn for that" in split.notes


def test_the_seed_of_given_draws() -> None:
    rows = parted([(user, item, 0, None, "train") for user in range(10) for item in range(10)])
    assert given_parts(rows, valid_ratio=0.2, seed=3).hash != given_parts(rows, valid_ratio=0.2, seed=4).hash


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (table([(0, 0, 0, None)]), "split=given needs a column `split` of train, valid, test, the interactions have `user_id`, .*split=…"),
        (parted([*PARTED, (4, 5, 0, None, None)]), "every row, 1 of 12 have none of them, the first is of user `u4` and item `i5`"),
        (parted([(4, 5, 0, None, "dev")]), "1 of 1 have none of them"),
    ],
)
def test_parts_that_are_not_given(rows: pl.DataFrame, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        given_parts(rows, valid_ratio=0.1, seed=0)


@pytest.mark.parametrize("name", SPLITS)
def test_other_splits_do_as_if_no_part_was_given(name: str) -> None:
    assert SPLITS[name](parted(PARTED)).hash == SPLITS[name](parted(PARTED).drop("split")).hash


def test_folds_are_consecutive_blocks_of_the_file_and_partition_it() -> None:
    draw = [(user, item, 0, 1.0) for user in range(7) for item in range(7)][::-1]
    rows = table(draw)
    tested = [folds(rows, n_folds=4, fold=fold, valid_ratio=0.2, seed=1) for fold in range(1, 5)]
    for number, split in enumerate(tested):
        block = rows.filter(pl.int_range(pl.len()) * 4 // 49 == number)
        assert split.test.equals(block.sort("user_id", "item_id"))
        assert split.train.columns == rows.columns
        assert pl.concat([split.train, split.valid, split.test]).sort("user_id", "item_id").equals(rows.sort("user_id", "item_id"))
        assert len(split.valid) == round(0.2 * (49 - len(block)))
    assert len({one.hash for one in tested}) == 4


def test_folds_keep_to_the_rows_of_the_file_after_filtering() -> None:
    rows = table([(0, 0, 0, 1.0), (0, 1, 0, 1.0), (1, 0, 0, 1.0), (1, 1, 0, 1.0)]).with_columns(pl.Series("__file_row__", [3, 2, 1, 0]))
    assert folds(rows.filter(pl.col("__file_row__") > 0), n_folds=2, fold=2).test["user_id"].to_list() == ["u0", "u0"]


@pytest.mark.parametrize(("n_folds", "fold", "said"), [(1, 1, "at least 2"), (5, 0, "from 1 to 5"), (5, 6, "from 1 to 5")])
def test_folds_that_there_are_not_are_refused(n_folds: int, fold: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        folds(table([(0, 0, 0, 1.0)]), n_folds=n_folds, fold=fold)


def test_of_rows_at_one_time_the_later_in_the_file_is_the_later() -> None:
    rows = table([(0, 3, 1, 1.0), (0, 2, 5, 1.0), (0, 9, 5, 1.0), (0, 1, 5, 1.0)])
    split = leave_last_out(rows)
    assert (split.test["item_id"].to_list(), split.valid["item_id"].to_list()) == (["i1"], ["i9"])
    assert "1 of 1 users have several rows at their last time: the order of the files decides" in split.notes


def test_all_rows_of_a_time_can_be_held_out_together() -> None:
    tied = [(0, 3, 1, 1.0), (0, 4, 2, 1.0), (0, 2, 5, 1.0), (0, 9, 5, 1.0), (0, 1, 3, 1.0)]
    few = [(1, 0, 1, 1.0), (1, 1, 2, 1.0), (1, 2, 2, 1.0)]
    split = leave_last_out(table(tied + few), ties="together")
    assert split.test["item_id"].to_list() == ["i2", "i9"] and split.valid["item_id"].to_list() == ["i1"]
    assert split.train.filter(user_id="u1").height == 3  # two times are too few
    with pytest.raises(ConfigError, match=r"split\.ties: expected file_order or together, found rows"):
        leave_last_out(table(tied), ties="rows")


@pytest.mark.parametrize("has_times", [True, False])
def test_the_first_interactions_of_a_new_user_are_given_and_the_others_held_out(has_times: bool) -> None:
    """Of 20 users with 4 rows, two of them at the first moment; one user has only two."""
    rows = table([(n // 4, n % 4, max(1, 3 - n % 4), None) for n in range(78)])
    rows = rows if has_times else rows.drop("timestamp")
    plain, split = (cold_user(rows, **RATIOS, seed=3, n_given=n) for n in (None, 3))
    assert plain.hash == cold_user(rows, **RATIOS, seed=3).hash
    for part, other in ((plain.test, split.test), (plain.valid, split.valid)):
        given = part.join(other, on=["user_id", "item_id"], how="anti")
        n_rows = part["user_id"].value_counts().rename({"count": "n"}).with_columns(pl.col("n").clip(upper_bound=3))
        assert given["user_id"].value_counts().rename({"count": "n"}).sort("user_id").equals(n_rows.sort("user_id"))
        assert given.join(split.train, on=["user_id", "item_id"], how="semi").equals(given)
        if has_times:
            latest = given.group_by("user_id").agg(pl.col("timestamp").max())
            assert (other.join(latest, on="user_id")["timestamp"] >= other.join(latest, on="user_id")["timestamp_right"]).all()
    assert len(split.train) + len(split.valid) + len(split.test) == len(rows)
    assert split.notes[0] == "the first 3 interactions of 6 held-out users are in train"
    one = cold_user(rows, **RATIOS, seed=3, n_given=1)
    assert one.train.join(split.train, on=["user_id", "item_id"], how="anti").is_empty()  # fewer are among more
    with pytest.raises(ConfigError, match=r"split.n_given: expected at least 0, found -1"):
        cold_user(rows, n_given=-1)
