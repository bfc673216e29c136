"""Ids to indices and back: a bijection that depends on the ids and the seed alone."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from mmrec.data.interactions.index import Index
from mmrec.errors import DataError
from mmrec.types import Dataset


def dataset(item_ids: list[str] | None = None) -> Dataset:
    interactions = pl.DataFrame({"user_id": ["u2", "u1", "u2"], "item_id": ["007", "7", "b"], "timestamp": [3, 1, 2]})
    items = pl.DataFrame({"item_id": item_ids or ["7", "007", "b", "unseen"]}).with_columns(title=pl.col("item_id") + "!")
    return Dataset("shop", Path(), interactions, items, ("title",))


def test_a_bijection_onto_contiguous_indices() -> None:
    index = Index.build(dataset(), seed=1)
    assert (index.n_users, index.n_items) == (2, 4)
    assert sorted(index.item_ids) == ["007", "7", "b", "unseen"]
    assert index.item_idx(index.item_ids).tolist() == [0, 1, 2, 3]
    assert index.item_id(torch.tensor([3, 0])).to_list() == [index.item_ids[3], index.item_ids[0]]
    assert index.user_id(index.user_idx(["u2", "u1", "u2"])).to_list() == ["u2", "u1", "u2"]


def test_the_order_comes_from_the_seed_not_from_the_rows() -> None:
    ids = [f"i{n}" for n in range(50)] + ["007", "7", "b"]
    one, other = (Index.build(dataset(order), seed=1) for order in (ids, ids[::-1]))
    assert one.item_ids.equals(other.item_ids)
    assert one.user_ids.equals(other.user_ids)
    assert not one.item_ids.equals(Index.build(dataset(ids), seed=2).item_ids)
    assert one.item_ids.to_list() != sorted(ids)


def test_interactions_row_for_row() -> None:
    index = Index.build(dataset(), seed=1)
    events = index.interactions(dataset().interactions)
    assert index.user_id(events.user_idx).to_list() == ["u2", "u1", "u2"]
    assert index.item_id(events.item_idx).to_list() == ["007", "7", "b"]
    assert events.timestamp is not None
    assert events.timestamp.tolist() == [3, 1, 2]
    assert index.interactions(dataset().interactions.drop("timestamp")).timestamp is None


def test_unknown_ids_are_named() -> None:
    index = Index.build(dataset(), seed=1)
    with pytest.raises(DataError, match=r"expected item_id to be one of the dataset, found `unsen` \(2 such ids\); did you mean `unseen`"):
        index.item_idx(["7", "unsen", "x"])
    with pytest.raises(DataError, match="expected user_id to be one of the dataset, found `u7`; choose from `u1`, `u2`"):
        index.interactions(pl.DataFrame({"user_id": ["u7"], "item_id": ["7"]}))


def test_what_is_known_of_an_interaction_becomes_tensors_too() -> None:
    known = {"rating": [4.5, None, 1.0], "label": [1, 0, None], "event": ["view", None, "buy"], "position": [3, None, 0]}
    shop = replace(dataset(), interactions=dataset().interactions.with_columns(**{name: pl.Series(v) for name, v in known.items()}))
    index = Index.build(shop, seed=1)
    rows = index.interactions(shop.interactions)
    assert rows.rating.nan_to_num(-1).tolist() == [4.5, -1, 1]
    assert rows.label.nan_to_num(-1).tolist() == [1, 0, -1]
    assert (rows.events, rows.event.tolist()) == (("buy", "view"), [1, -1, 0])
    assert (rows.position.tolist(), rows.timestamp.tolist()) == ([3, -1, 0], [3, 1, 2])
    part = index.interactions(shop.interactions.tail(1))  # a part has the codes of the whole
    assert (part.events, part.event.tolist()) == (("buy", "view"), [0])
    assert rows.take(torch.tensor([2, 0])).position.tolist() == [0, 3]


def test_what_the_files_lack_is_none() -> None:
    rows = Index.build(dataset(), seed=1).interactions(dataset().interactions)
    assert (rows.rating, rows.label, rows.event, rows.position, rows.events) == (None, None, None, None, ())


def test_align() -> None:
    index = Index.build(dataset(), seed=1)
    aligned = index.align(dataset().items)
    assert aligned["item_id"].to_list() == index.item_ids.to_list()
    assert aligned["title"].to_list() == [f"{item_id}!" for item_id in index.item_ids]
    with pytest.raises(DataError, match="`b` has none"):
        index.align(dataset().items.filter(pl.col("item_id") != "b"))
    with pytest.raises(DataError, match="some have more"):
        index.align(pl.concat([dataset().items, dataset().items]))
