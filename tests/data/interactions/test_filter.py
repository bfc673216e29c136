"""mmrec.data.interactions.filter: what goes, what stays, and that every row is accounted for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.data.features.align import align_vectors
from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split import random_ratio
from mmrec.errors import ConfigError, DataError
from mmrec.row_count import RowCount
from mmrec.types import Dataset, ItemVectors

ALL = {"min_rating": None, "repeated": "first", "min_per_user": 1, "min_per_item": 1}
ROWS = [("u", "a", 3, 5.0), ("u", "b", 2, 2.0), ("u", "a", 1, 4.0), ("v", "a", 1, 4.0), ("v", "b", 5, None), ("w", "c", 1, 3.0)]


def make(rows: list[tuple[str, str, int, float | None]], counts: tuple[RowCount, ...] = ()) -> Dataset:
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64}
    interactions = pl.DataFrame(rows, schema=schema, orient="row")
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"]}, schema={"item_id": pl.String})
    return Dataset("shop", Path(), interactions, items, (), counts=counts)


def rows_of(dataset: Dataset) -> list[tuple[str, str, int]]:
    return dataset.interactions.select("user_id", "item_id", "timestamp").rows()


def test_nothing_asked_removes_repeated_pairs_alone() -> None:
    found = filter_interactions(make(ROWS), **ALL)
    assert rows_of(found) == [("u", "a", 1), ("u", "b", 2), ("v", "a", 1), ("v", "b", 5), ("w", "c", 1)]
    assert found.counts == (RowCount("interactions", 6, n_deduplicated=1),)
    assert found.items["item_id"].to_list() == ["a", "b", "c", "d"]


def test_what_is_known_of_items_goes_with_them() -> None:
    """Vectors and links of items that the k-core has not would point nowhere."""
    vectors = ItemVectors(pl.Series("item_id", ["c", "b", "a"]), np.array([[3.0], [2.0], [1.0]], dtype=np.float32), "audio.npy")
    links = pl.DataFrame({"item_id": ["a", "d"], "entity": ["m.1", "m.4"]})
    found = filter_interactions(replace(make(ROWS), vectors={"audio": vectors}, item_entities=links), **ALL | {"min_per_item": 2})
    assert found.items["item_id"].to_list() == ["a", "b"] and found.item_entities.rows() == [("a", "m.1")]
    aligned = align_vectors(found.vectors["audio"], Index.build(found, seed=0))
    assert aligned.present.all() and sorted(aligned.values.flatten().tolist()) == [1.0, 2.0]


def test_the_last_of_a_pair_stays_where_asked() -> None:
    found = filter_interactions(make(ROWS), **ALL | {"repeated": "last"})
    assert rows_of(found)[0] == ("u", "a", 3)
    assert found.counts[0].n_deduplicated == 1


def test_a_rating_below_the_least_or_none_goes() -> None:
    found = filter_interactions(make(ROWS), **ALL | {"min_rating": 4})
    assert rows_of(found) == [("u", "a", 1), ("v", "a", 1)]
    assert str(found.counts[0]) == "interactions: 6 rows in = 2 kept + 0 quarantined + 1 deduplicated + 3 filtered"
    assert found.notes == ("filter.min_rating=4 removed 3 interactions",)


def test_the_core_is_taken_until_it_is_one() -> None:
    """w has one, which leaves c with none; then all have two."""
    found = filter_interactions(make(ROWS, (RowCount("interactions", 8, 2),)), **ALL | {"min_per_user": 2, "min_per_item": 2})
    assert rows_of(found) == [("u", "a", 1), ("u", "b", 2), ("v", "a", 1), ("v", "b", 5)]
    assert found.items["item_id"].to_list() == ["a", "b"]
    assert found.counts == (RowCount("interactions", 8, n_quarantined=2, n_deduplicated=1, n_filtered=1),)
    assert found.counts[0].n_kept == len(found.interactions)
    assert found.notes == ("the k-core of at least 2 per user and 2 per item removed 1 interactions, 1 users and 2 items",)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"repeated": "best"}, "filter.repeated: expected first or last, found `best`"),
        ({"min_per_item": 0}, "filter.min_per_item: expected a whole number from 1 up, found 0"),
    ],
)
def test_a_wrong_setting_is_named(changed: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        filter_interactions(make(ROWS), **ALL | changed)
    assert str(caught.value) == message


def test_nothing_left_and_no_ratings_are_said() -> None:
    with pytest.raises(DataError, match=r"nothing is left of 6 interactions; filter\.min_rating=9 removed 6 interactions"):
        filter_interactions(make(ROWS), **ALL | {"min_rating": 9})
    data = make(ROWS)
    without = Dataset("shop", Path(), data.interactions.drop("rating"), data.items, ())
    with pytest.raises(DataError, match=r"filter\.min_rating needs a column `rating`"):
        filter_interactions(without, **ALL | {"min_rating": 1})


ids = st.integers(0, 5)
row = st.tuples(ids.map("u{}".format), ids.map("i{}".format), st.integers(0, 3), st.none() | st.sampled_from([1.0, 3.0, 5.0]))


@settings(deadline=None, max_examples=60)
@given(st.lists(row, min_size=1, max_size=40), st.sampled_from([None, 3.0]), st.integers(1, 3), st.integers(1, 3))
def test_every_row_is_accounted_for(rows: list, min_rating: float | None, min_per_user: int, min_per_item: int) -> None:
    data = make(rows)
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(6)]})
    data = Dataset("shop", Path(), data.interactions, items, ())
    asked = {"min_rating": min_rating, "repeated": "first", "min_per_user": min_per_user, "min_per_item": min_per_item}
    try:
        found = filter_interactions(data, **asked)
    except DataError:
        return
    (count,) = found.counts
    assert count.n_in == len(rows)
    assert count.n_kept == len(found.interactions) == len(set(found.interactions.select("user_id", "item_id").rows()))
    for key, least in (("user_id", min_per_user), ("item_id", min_per_item)):
        assert (found.interactions[key].value_counts()["count"] >= least).all()


def shown_rows() -> Dataset:
    rows = [("u", "a", 1, 0, 1), ("u", "a", 2, 1, 1), ("u", "a", 2, 0, 1), ("u", "b", 2, 0, 2), ("v", "a", 3, None, 1)]
    names = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "label": pl.Int64, "position": pl.Int64}
    return replace(make(ROWS), interactions=pl.DataFrame(rows, schema=names, orient="row"))


def test_of_impressions_those_without_a_click_go_and_are_counted() -> None:
    found = filter_interactions(shown_rows(), **ALL)
    assert rows_of(found) == [("u", "a", 2), ("v", "a", 3)]  # one without a label is an interaction
    assert found.counts == (RowCount("interactions", 5, n_filtered=3),)
    assert found.notes == ("3 interactions of label 0 are left out (filter.labels=positive; task=click learns from them)",)


def test_labels_can_be_ignored() -> None:
    found = filter_interactions(shown_rows(), **ALL, labels="ignore")
    assert "label" not in found.interactions.columns and rows_of(found) == [("u", "a", 1), ("u", "b", 2), ("v", "a", 3)]


def test_impressions_are_kept_but_for_the_same_one_twice() -> None:
    found = filter_interactions(shown_rows(), **ALL, labels="keep")
    assert found.interactions.select("user_id", "item_id", "timestamp", "label").rows() == [
        ("u", "a", 1, 0),
        ("u", "a", 2, 1),
        ("u", "b", 2, 0),
        ("v", "a", 3, None),
    ]
    assert found.counts == (RowCount("interactions", 5, n_deduplicated=1),)
    split = random_ratio(found.interactions)
    assert len(split.train) + len(split.valid) + len(split.test) == 4


def test_nothing_left_of_impressions_says_why() -> None:
    shown = replace(shown_rows(), interactions=shown_rows().interactions.filter(label=0))
    with pytest.raises(DataError, match="nothing is left of 3 interactions; 3 interactions of label 0 are left out"):
        filter_interactions(shown, **ALL)
