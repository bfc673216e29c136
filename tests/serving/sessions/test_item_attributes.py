"""What items can be spoken of by: values and numbers of columns, and neighbours in the graph, two edges away at most."""

import datetime

import polars as pl
import pytest
import torch

from mmrec.serving.sessions.item_attributes import ItemAttributes
from mmrec.types import Graph

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "title": ["A", "B", "C", "D"],
        "genre": ["Drama, Comedy", "Drama", None, "Comedy"],
        "tags": [["new"], ["new", "old"], [], None],
        "text": ["x" * 61, "x" * 61, "y", "y"],
        "price": [1.5, None, float("inf"), 20.25],
        "released": [datetime.date(2000, 1, 1), datetime.date(2001, 7, 1), None, datetime.date(1999, 1, 1)],
        "is_sequel": [True, False, True, True],
    }
)


def test_columns_are_values_or_numbers_or_neither() -> None:
    found = ItemAttributes.of_items(ITEMS, None, ", ")
    values = {column: {value: rows.tolist() for value, rows in one.items()} for column, one in found.values.items()}
    assert values == {"genre": {"Comedy": [0, 3], "Drama": [0, 1]}, "is_sequel": {"true": [0, 2, 3], "false": [1]}}
    assert found.numbers["price"].tolist() == pytest.approx([1.5, float("nan"), float("nan"), 20.25], nan_ok=True)
    assert found.numbers["released"].tolist() == pytest.approx([2000.0, 2001.49, float("nan"), 1999.0], nan_ok=True, abs=0.01)
    assert set(found.numbers) == {"price", "released"}


def test_relations_of_the_graph_are_values_also_of_the_neighbour() -> None:
    """Items a and b are made by x, which is in Rome; c is made by y."""
    entities = ("pa", "pb", "pc", "x", "y", "rome")
    edges = torch.tensor([[0, 1, 2, 3], [3, 3, 4, 5]])
    graph = Graph(edges, torch.tensor([0, 0, 0, 1]), 6, 2, torch.tensor([0, 1, 2, -1]), entities, None, ("made_by", "in"))
    found = ItemAttributes.of_items(ITEMS.select("item_id"), graph, "")
    values = {column: {value: rows.tolist() for value, rows in one.items()} for column, one in found.values.items()}
    assert values == {"in": {"rome": [0, 1]}}  # made_by has two values for three items
