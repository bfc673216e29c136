"""A dataset in numbers, against values worked out by hand."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mmrec.data.discover.describe import describe, spread
from mmrec.types import Dataset, ItemVectors

DAY = 86_400


def make(folder: Path, **changed: object) -> Dataset:
    """Users a, b, c with 3, 2 and 1 rows, of which one pair is repeated, once exactly; items x, y, z, and w with none."""
    rows = [
        ("a", "x", 0, 5.0, "buy"),
        ("a", "x", 0, 5.0, "buy"),
        ("a", "y", DAY, 4.0, "buy"),
        ("b", "x", 3 * DAY, 5.0, "view"),
        ("b", "y", 3 * DAY, None, "buy"),
        ("c", "x", 3 * DAY + 1, 1.0, None),
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating", "event"], orient="row")
    pictures = ["x.png", "lost.png", None, ""]
    (folder / "x.png").touch()
    items = pl.DataFrame({"item_id": ["w", "x", "y", "z"], "title": ["W", "An x", None, " "], "kind": ["k", None, "long", None]})
    triples = pl.DataFrame(
        [("ex", "is", "good"), ("ey", "is", "good"), ("no", "is", "ex")], schema=["head", "relation", "tail"], orient="row"
    )
    return Dataset(
        **{
            "name": "shop",
            "root": folder,
            "interactions": events,
            "items": items.with_columns(pl.Series("image", ["x.png", *pictures[1:]])),
            "text_columns": ("title", "kind"),
            "image_column": "image",
            "triples": triples,
            "item_entities": pl.DataFrame({"item_id": ["x", "y", "w"], "entity": ["ex", "ey", "ew"]}),
            "vectors": {"audio": ItemVectors(pl.Series(["x", "elsewhere"]), np.zeros((2, 3), np.float32), "audio.npy")},
            "notes": ("odd",),
        }
        | changed
    )


def test_counts(tmp_path: Path) -> None:
    found = describe(make(tmp_path), 0)
    assert (found.n_interactions, found.n_users, found.n_items, found.n_items_seen, found.n_pairs, found.n_same_rows) == (6, 3, 4, 2, 5, 1)
    assert found.density == 5 / 12
    assert found.span == ("1970-01-01 00:00:00", "1970-01-04 00:00:01")
    assert (found.period, found.over_time) == ("day", [("1970-01-01", 2), ("1970-01-02", 1), ("1970-01-03", 0), ("1970-01-04", 3)])
    assert found.ratings == [("1", 1), ("4", 1), ("5", 3)]
    assert found.events == [("buy", 4), ("view", 1)]
    assert (found.user_ids, found.item_ids, found.notes) == (["a", "b", "c"], ["w", "x", "y", "z"], ("odd",))


def test_interactions_of_users_and_items(tmp_path: Path) -> None:
    found = describe(make(tmp_path), 0)
    assert (found.per_user.mean, found.per_item.mean) == (2.0, 1.5)
    assert found.per_user.at_least == [(1, 3), (2, 2), (3, 1)]
    assert found.per_item.at_least == [(2, 2), (4, 1)]
    assert [found.per_item.quantiles[q] for q in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0, 0, 1, 2.5, 4]
    assert found.per_user.gini == pytest.approx((-2 * 1 + 0 * 2 + 2 * 3) / 6 / 2)
    assert found.per_item.gini == pytest.approx((-3 * 0 - 1 * 0 + 1 * 2 + 3 * 4) / 6 / 3)


@pytest.mark.parametrize(("degree", "gini"), [([2, 2, 2], 0.0), ([0, 0, 5], 1.0), ([7], None)])
def test_gini_at_its_ends(degree: list[int], gini: float | None) -> None:
    assert spread(np.array(degree)).gini == gini


def test_coverage(tmp_path: Path) -> None:
    found = {one.modality: (one.n_items, one.detail) for one in describe(make(tmp_path), 0).coverage}
    assert found == {
        "text": (3, "4 letters in the median, of title, kind"),  # "W. k", "An x", "long"
        "image": (1, "named by image, files missing: 1"),
        "kg": (2, "3 triples, 4 entities, 1 relations"),
        "audio": (1, "vectors of 3 numbers, audio.npy"),
    }


def test_items_are_entities_under_their_own_id_without_links(tmp_path: Path) -> None:
    triples = pl.DataFrame({"head": ["x"], "relation": ["is"], "tail": ["good"]})
    found = describe(make(tmp_path, triples=triples, item_entities=None), 4)
    assert [one.n_items for one in found.coverage if one.modality == "kg"] == [1]
    assert [example.triples for example in found.examples if example.item_id == "x"] == [[("x", "is", "good")]]


def test_examples_go_from_the_most_to_the_fewest_interactions(tmp_path: Path) -> None:
    found = describe(make(tmp_path), 3).examples
    assert [(one.item_id, one.n_interactions, one.title, one.text) for one in found] == [
        ("x", 4, "An x", "An x"),
        ("w", 0, "W", "W. k"),
        ("z", 0, "z", ""),
    ]
    assert found[0].triples == [("ex", "is", "good"), ("no", "is", "ex")]
    assert [one.item_id for one in describe(make(tmp_path), 99).examples] == ["x", "y", "w", "z"]
    assert describe(make(tmp_path), 0).examples == []


def test_interactions_alone(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    found = describe(Dataset("tiny", tmp_path, events, pl.DataFrame({"item_id": ["x"]}), ()), 5)
    assert (found.span, found.over_time, found.ratings, found.coverage) == (None, [], [], [])
    assert found.examples[0].title == "x" and found.density == 1.0


@pytest.mark.parametrize(("days", "period", "n_bars"), [(90, "day", 91), (700, "week", 101), (5_000, "month", 165), (9_000, "year", 25)])
def test_the_period_of_a_bar_follows_the_span(tmp_path: Path, days: int, period: str, n_bars: int) -> None:
    events = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "timestamp": [0, days * DAY]})
    found = describe(Dataset("tiny", tmp_path, events, pl.DataFrame({"item_id": ["x", "y"]}), ()), 0)
    assert found.period == period and len(found.over_time) == n_bars
    assert sum(count for _, count in found.over_time) == 2


def test_many_different_ratings_are_put_into_steps(tmp_path: Path) -> None:
    ratings = [n / 10 for n in range(41)]
    events = pl.DataFrame({"user_id": ["a"] * 41, "item_id": [str(n) for n in range(41)], "rating": ratings})
    found = describe(Dataset("tiny", tmp_path, events, events.select("item_id"), ()), 0).ratings
    assert len(found) == 20 and sum(count for _, count in found) == 41 and math.isclose(float(found[1][0]), 0.2)
