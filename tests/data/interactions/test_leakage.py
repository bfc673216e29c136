"""What is known too early: facts of the test period, and columns counted over all time."""

import polars as pl
import pytest

from mmrec.data.interactions.leakage import drop_future_triples, flag_columns, flag_relations
from mmrec.data.interactions.split import Split, global_time, random_ratio, user_time

INTERACTIONS = pl.DataFrame({"user_id": ["u", "v"] * 5, "item_id": list("abcdefghij"), "timestamp": [10 * i for i in range(10)]})
SPLIT = global_time(INTERACTIONS, valid_ratio=0.1, test_ratio=0.2)  # 0 to 60 train, 70 validates, 80 and 90 test


def triples(*times: int | None) -> pl.DataFrame:
    columns = {"head": "a", "relation": "by"}
    return pl.DataFrame({"tail": [str(time) for time in times], "timestamp": pl.Series(times, dtype=pl.Int64)}).with_columns(
        **{name: pl.lit(value) for name, value in columns.items()}
    )


def test_what_became_known_after_the_first_held_out_moment_is_left_out() -> None:
    kept, notes = drop_future_triples(triples(0, 69, 70, None, 71, 1000), SPLIT)
    assert kept["tail"].to_list() == ["0", "69", "None"]
    assert notes == ("3 of 6 triples became known when the first held-out interaction, at 70, or later: they were left out",)


def test_without_a_validation_part_the_test_counts() -> None:
    split = Split(SPLIT.train, SPLIT.valid.clear(), SPLIT.test, "global_time")
    assert drop_future_triples(triples(70, 79, 80), split)[0]["tail"].to_list() == ["70", "79"]


def test_without_any_held_out_row_nothing_is_late() -> None:
    split = Split(SPLIT.train, SPLIT.valid.clear(), SPLIT.test.clear(), "global_time")
    assert drop_future_triples(triples(1000), split)[1] == ()


def test_nothing_is_said_where_nothing_is_late() -> None:
    for found in (triples(0, 69), triples(None, None), triples(99).drop("timestamp")):
        kept, notes = drop_future_triples(found, SPLIT)
        assert kept.equals(found) and notes == ()


@pytest.mark.parametrize(
    "split",
    [
        user_time(INTERACTIONS.with_columns(user_id=pl.Series(["u"] * 5 + ["v"] * 5)), valid_ratio=0.2, test_ratio=0.2),
        random_ratio(INTERACTIONS, valid_ratio=0.2, test_ratio=0.2, seed=1),
    ],
)
def test_other_splits_only_note(split: Split) -> None:
    kept, (note,) = drop_future_triples(triples(0, 1000), split)
    assert len(kept) == 2
    assert note.startswith("1 of 2 triples became known") and f"split {split.name} does not cut all rows at one time" in note


def test_interactions_without_times() -> None:
    split = random_ratio(INTERACTIONS.drop("timestamp"), valid_ratio=0.2, test_ratio=0.2, seed=1)
    kept, notes = drop_future_triples(triples(0, 1000), split)
    assert len(kept) == 2 and notes == ("triples have times and interactions have none: future triples cannot be left out",)


TOLD = ["average_rating", "averageRating", "rating_number", "n_ratings", "Number of ratings", "n_reviews", "review_count", "popularity"]
TOLD += ["sales_rank", "salesRank", "vote_count", "vote_average", "also_buy", "also_view", "bought_together", "num_votes", "avg-rating"]
FINE = ["title", "brand", "rated", "average_weight", "n_pages", "rating", "view", "buyer", "rank", "year", "number", "review_text"]


@pytest.mark.parametrize("name", TOLD)
def test_columns_counted_over_all_time_are_told(name: str) -> None:
    (note,) = flag_columns(pl.DataFrame({name: ["x"]}), [name], "graph.item_columns")
    assert f"column `{name}`" in note and note.endswith("leave it out of graph.item_columns")
    (note,) = flag_relations(pl.DataFrame({"relation": [f"http://shop.org/r#{name}", "by", "by", f"http://shop.org/r#{name}"]}))
    assert f"relation `http://shop.org/r#{name}`" in note and note.endswith("leave its 2 triples out")


@pytest.mark.parametrize("name", FINE)
def test_others_are_not(name: str) -> None:
    assert flag_columns(pl.DataFrame({name: ["x"]}), [name], "data.text_columns") == ()
    assert flag_relations(pl.DataFrame({"relation": [name]})) == ()


def test_some_names_tell_only_where_they_hold_numbers() -> None:
    items = pl.DataFrame({"rating": [4.5], "views": [7], "rank": ["first"], "price": [3]})
    notes = flag_columns(items, ["rating", "views", "rank", "price"], "graph.item_columns")
    assert [note.split("`")[1] for note in notes] == ["rating", "views"]
