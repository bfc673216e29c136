"""mmrec.data.interactions.queries: queries in the place of users, and no evidence about new items."""

from pathlib import Path

import polars as pl
import pytest
import torch

from mmrec.data.interactions.queries import QueryEvidence, asked_by, queries_as_interactions, split_by_text
from mmrec.data.interactions.split import cold_item, cold_user
from mmrec.errors import DataError
from mmrec.types import Dataset, FeatureEncoder, Features, Interactions, Queries


def dataset(queries: pl.DataFrame | None) -> Dataset:
    interactions = pl.DataFrame({"user_id": ["u1"], "item_id": ["a"]})
    items = pl.DataFrame({"item_id": ["a", "b", "c"]})
    return Dataset("shop", Path("."), interactions, items, (), queries=queries)


def test_equal_texts_are_one_query_and_what_was_not_clicked_is_left_out() -> None:
    rows = {
        "query": ["Red  boots", "red boots", "RED BOOTS", "hat", "hat"],
        "item_id": ["a", "b", "a", "c", "a"],
        "timestamp": [3, 2, 1, 5, 6],
        "label": [1, 1, None, 1, 0],
        "spelling": ["correct", "correct", "shouted", "correct", "correct"],
    }
    found = queries_as_interactions(dataset(pl.DataFrame(rows)))
    assert found.interactions.select("user_id", "item_id", "timestamp").rows() == [
        ("hat", "c", 5),
        ("red boots", "a", 1),
        ("red boots", "b", 2),
    ]
    assert found.users is not None and found.users.sort("user_id").rows() == [("hat", "correct"), ("red boots", "correct")]
    assert any("1 rows repeat a query with the same item" in note for note in found.notes)


def test_splits_hold_out_unseen_texts_or_new_items() -> None:
    rows = {"query": [f"q{k % 40}" for k in range(200)], "item_id": [f"i{k % 23}" for k in range(200)]}
    clicks = queries_as_interactions(dataset(pl.DataFrame(rows))).interactions
    texts, items = cold_user(clicks, seed=1), cold_item(clicks, seed=1)
    assert not set(texts.test["user_id"]) & set(texts.train["user_id"])
    assert not set(items.test["item_id"]) & set(items.train["item_id"])


def test_personal_queries_are_of_who_asked() -> None:
    rows = {"query": ["Boots", "boots", "boots", "hat"], "item_id": ["a", "a", "b", "c"], "user_id": ["u1", "u2", "u2", None]}
    shop = dataset(pl.DataFrame(rows))
    found = queries_as_interactions(shop, personal=True)
    assert found.interactions.select("user_id", "item_id").rows() == [
        ("boots | u1", "a"),
        ("boots | u2", "a"),
        ("boots | u2", "b"),
        ("hat", "c"),
    ]
    assert asked_by(shop).sort("user_id").rows() == [("boots | u1", "boots", "u1"), ("boots | u2", "boots", "u2"), ("hat", "hat", None)]
    with pytest.raises(DataError, match="personal search needs a column `user_id` of the queries, which have `query`, `item_id`"):
        queries_as_interactions(dataset(pl.DataFrame({"query": ["x"], "item_id": ["a"]})), personal=True)


def test_a_text_is_in_one_part_whoever_asked_it() -> None:
    n = 300
    rows = {
        "query": [f"q{k % 40}" for k in range(n)],
        "item_id": [f"i{k % 23}" for k in range(n)],
        "user_id": [f"u{k % 7}" for k in range(n)],
    }
    shop = dataset(pl.DataFrame(rows))
    clicks, asked = queries_as_interactions(shop, personal=True).interactions, asked_by(shop)
    found, plain = split_by_text(cold_user, asked, clicks), cold_user(queries_as_interactions(shop).interactions)
    assert sum(len(part) for part in (found.train, found.valid, found.test)) == len(clicks)
    for part in ("train", "valid", "test"):
        texts = getattr(found, part)["user_id"].str.split(" | ").list.first()
        assert set(texts) == set(getattr(plain, part)["user_id"])  # as without people


def test_interactions_with_new_items_are_no_evidence() -> None:
    none = torch.zeros(2, 0)
    behavior = Interactions(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 3]))
    queries = Queries(("x", "y"), Features(none, torch.zeros(2, dtype=torch.bool)), ("",) * 4, behavior, 2)
    rows = Interactions(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]))
    found = QueryEvidence(queries, _Encoder(), rows).of_part(rows.take(torch.tensor([0, 2])))
    assert found.behavior.item_idx.tolist() == [0, 2, 3]  # item 1 occurs in held-out queries alone, item 3 in none


def test_data_without_queries_are_refused() -> None:
    with pytest.raises(DataError, match=r"shop: task=search learns from queries, and the data have none; add a table queries\.csv"):
        queries_as_interactions(dataset(None))
    with pytest.raises(DataError, match="expected queries with a clicked item, found none with label 1"):
        queries_as_interactions(dataset(pl.DataFrame({"query": ["x"], "item_id": ["a"], "label": [0]})))


class _Encoder(FeatureEncoder):
    """Never asked."""
