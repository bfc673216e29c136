"""What new data have to look like beside those of a run, and what comes of joining both."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from mmrec.errors import DataError
from mmrec.experiment.updating.new_data import join_data, kind_of, mark_parts
from mmrec.experiment.updating.settings import HeldOutShares
from mmrec.types import Dataset

SHARES = HeldOutShares(0.25, 0.25)


def dataset(rows: list[tuple[str, str, int]], **items: list[str | None]) -> Dataset:
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    ids = events["item_id"].unique(maintain_order=True)
    table = pl.DataFrame({"item_id": ids, **(items or {"title": [f"item {one}" for one in ids]})})
    return Dataset("shop", Path("here"), events, table, ("title",))


BEFORE = dataset([("1", "10", 100), ("2", "11", 200), ("3", "10", 300)])
NEW = dataset([("1", "11", 300), ("4", "12", 400), ("4", "10", 500), ("5", "12", 600)])


def test_the_newest_rows_are_held_out_and_everything_before_is_for_training() -> None:
    joined = join_data(BEFORE, NEW, SHARES, False, 0)
    assert joined.dataset.interactions["split"].to_list() == ["train"] * 5 + ["valid", "test"]
    assert joined.new_users.to_list() == ["1", "4"]
    assert joined.grew == {"interactions": 4, "users": 2, "items": 1, "triples": 0}


def test_the_new_row_of_an_item_counts_unless_it_says_nothing() -> None:
    new = dataset([("1", "10", 400), ("1", "11", 401), ("1", "12", 402), ("2", "12", 403)], title=["renamed", None, "new"])
    titles = dict(join_data(BEFORE, new, SHARES, False, 0).dataset.items.iter_rows())
    assert titles == {"10": "renamed", "11": "item 11", "12": "new"}


def test_rows_without_times_are_held_out_at_random() -> None:
    rows = mark_parts(NEW.interactions.drop("timestamp"), SHARES, 3)
    assert sorted(rows["split"]) == ["test", "train", "train", "valid"]
    assert rows.equals(mark_parts(NEW.interactions.drop("timestamp"), SHARES, 3))


def test_two_rows_are_too_few() -> None:
    with pytest.raises(DataError, match="expected enough new rows to train, validate and test on, found 2"):
        mark_parts(NEW.interactions[:2], SHARES, 0)


def test_older_rows_need_permission() -> None:
    older = dataset([("1", "11", 299), ("4", "12", 400), ("4", "10", 500), ("5", "12", 600)])
    with pytest.raises(DataError, match="allow_older=true"):
        join_data(BEFORE, older, SHARES, False, 0)
    assert len(join_data(BEFORE, older, SHARES, True, 0).dataset.interactions) == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda new: replace(new, interactions=new.interactions.with_columns(rating=1.0)),
            "have no column `rating`",
        ),
        (lambda new: replace(new, interactions=new.interactions.drop("timestamp")), "have a column `timestamp`, the new data lack it"),
        (
            lambda new: replace(new, items=new.items.with_columns(titel=pl.col("title")).drop("title")),
            "did you mean `title`",
        ),
        (
            lambda new: replace(new, interactions=new.interactions.with_columns(pl.col("timestamp").cast(pl.String))),
            "interactions: `timestamp`: expected Int64",
        ),
        (lambda new: replace(new, users=pl.DataFrame({"user_id": ["4"]})), "users: the data of the run have no such table"),
        (
            lambda new: replace(new, interactions=new.interactions.with_columns(user_id="u" + pl.col("user_id"))),
            "user_id: the ids of the run are whole numbers, such as `1`; found `u1`",
        ),
        (
            lambda new: replace(new, items=new.items.with_columns(item_id=pl.col("item_id") + ".0")),
            "item_id: the ids of the run are whole numbers, such as `10`; found `11.0`",
        ),
    ],
)
def test_data_of_another_kind_are_refused(change: Callable[[Dataset], Dataset], said: str) -> None:
    with pytest.raises(DataError, match=said):
        join_data(BEFORE, change(NEW), SHARES, False, 0)


def test_columns_hold_what_both_files_have() -> None:
    before, new = (replace(one, items=one.items.with_columns(price=price)) for one, price in ((BEFORE, pl.lit(10)), (NEW, pl.lit(9.99))))
    items = join_data(before, replace(new, items=new.items.with_columns(title=1)), SHARES, False, 0).dataset.items
    assert dict(items.select("item_id", "price").iter_rows()) == {"10": 9.99, "11": 9.99, "12": 9.99}
    assert items["title"].to_list() == ["1", "1", "1"]


def test_numbers_among_texts_change_the_kind_only_if_there_were_none() -> None:
    texts = dataset([("a", "x", 1), ("b", "7", 2)])
    digits = dataset([("c", "8", 3), ("d", "9", 4), ("e", "8", 5), ("f", "9", 6)])
    assert len(join_data(texts, digits, SHARES, False, 0).dataset.items) == 4
    with pytest.raises(DataError, match="user_id: the ids of the run are texts, such as `a`; found `3`"):
        join_data(texts, replace(digits, interactions=digits.interactions.with_columns(user_id=pl.lit("3"))), SHARES, False, 0)


def test_what_ids_are() -> None:
    assert [kind_of(pl.Series(ids)) for ids in (["1", "-2"], ["1.5", "2.0"], ["1", "x"], ["1", "2.0"])] == [
        "whole numbers",
        "decimal numbers",
        "texts",
        "texts",
    ]
