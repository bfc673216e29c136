"""mmrec.evaluation.measure.item_groups: which items belong where, by hand."""

import polars as pl
import pytest
import torch

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.evaluation.measure.item_groups import by_column, check_item_column, make_item_groups

INDEX = Index(pl.Series("user_id", ["u"]), pl.Series("item_id", ["c", "a", "b", "d"]))
ITEMS = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "genre": ["war", "war, love", None, "love, war, love"]})
DEGREE = torch.tensor([0, 2, 5, 0])


def test_an_item_of_several_values_is_shared_out_among_them() -> None:
    """In the order of item_idx: c of nothing, a of war, b and d of both; training asked for war 7 times and for love 5 times."""
    found = by_column(ITEMS, "genre", ", ", INDEX, DEGREE)
    assert found.names == ("war", "love")
    assert found.shares.tolist() == [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
    whole = by_column(ITEMS, "genre", "", INDEX, DEGREE)
    assert whole.names == ("war, love", "war", "love, war, love") and whole.shares.sum(dim=1).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_of_too_many_values_the_most_asked_for_stay() -> None:
    index = Index(pl.Series("user_id", ["u"]), pl.Series("item_id", [f"i{i}" for i in range(30)]))
    items = pl.DataFrame({"item_id": index.item_ids, "brand": [f"b{i}" for i in range(30)]})
    found = by_column(items, "brand", ", ", index, torch.arange(30))
    assert found.names == (*(f"b{i}" for i in range(29, 5, -1)), "others")
    assert found.shares.sum(dim=1).tolist() == [1.0] * 30
    assert found.shares[:, -1].nonzero().flatten().tolist() == list(range(6))


def test_numbers_go_in_quartiles() -> None:
    index = Index(pl.Series("user_id", ["u"]), pl.Series("item_id", [f"i{i}" for i in range(28)]))
    items = pl.DataFrame({"item_id": index.item_ids, "price": [i + 0.5 for i in range(28)]})
    found = by_column(items, "price", ", ", index, torch.arange(28))
    assert set(found.names) == {"0.5–6.5", "7.5–13.5", "14.5–20.5", "21.5–27.5"} and found.shares.sum(dim=0).tolist() == [7.0] * 4


def test_by_degree_always_and_by_a_column_where_one_is_named() -> None:
    train = InteractionMatrix.from_pairs(torch.tensor([0, 0]), torch.tensor([1, 2]), 1, 4)
    groups = make_item_groups(train, ITEMS, INDEX, "genre", ", ")
    assert list(groups) == ["item_degree", "items.genre"]
    assert groups["item_degree"].names == ("cold", "tail")
    assert groups["item_degree"].shares.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    assert list(make_item_groups(train)) == ["item_degree"]


@pytest.mark.parametrize("column", ["gener", "item_id"])
def test_a_column_that_is_not_there_is_a_message(column: str) -> None:
    check_item_column(ITEMS, None)
    check_item_column(ITEMS, "genre")
    with pytest.raises(ConfigError, match=rf"^evaluation\.item_column: .*`{column}`.*genre"):
        check_item_column(ITEMS, column)
