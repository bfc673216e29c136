"""mmrec.kg.literals: literals of entities as standardised numbers with a mask, and the vectors of texts beside them."""

from dataclasses import replace

import pytest
import torch

from mmrec.data.tables.literals import Literal
from mmrec.kg.literals import add_texts, numbers_of, standardize, texts_of
from mmrec.types import Features, Graph

ENTITIES = ["a", "b", "c", "d"]
LITERALS = [
    Literal("a", "label", "A film", "string"),
    Literal("a", "price", "3", "decimal"),
    Literal("a", "year", "1990", "gYear"),
    Literal("a", "year", "1992", "gYear"),
    Literal("b", "abstract", "Long ago", "string"),
    Literal("b", "label", "B film", "string"),
    Literal("d", "year", "1995", "gYear"),
    Literal("gone", "year", "2000", "gYear"),
]


@pytest.fixture
def graph() -> Graph:
    """Four entities, of which a, c and d are items."""
    edges = torch.tensor([[0, 2], [1, 1]])
    return Graph(edges, torch.zeros(2, dtype=torch.int64), 4, 1, torch.tensor([0, 2, 3]), literals=numbers_of(LITERALS, ENTITIES))


def test_numbers_are_a_column_a_relation_and_absent_where_nothing_is_said(graph: Graph):
    assert graph.literals is not None
    assert graph.literals.entity_idx.tolist() == [0, 3]
    assert graph.literals.values.tolist() == [[3.0, 1991.0], [0.0, 1995.0]]  # price, year: the mean of two
    assert graph.literals.present.tolist() == [[True, True], [False, True]]
    assert numbers_of(LITERALS[:1], ENTITIES) is None


def test_texts_are_joined_by_entity():
    assert texts_of(LITERALS, ENTITIES) == {0: "A film", 1: "Long ago. B film"}


def test_texts_become_further_columns_with_one_mask(graph: Graph):
    texts = Features(torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]), torch.tensor([True, True, False]))
    found = add_texts(graph, [0, 1, 2], texts).literals
    assert found is not None
    assert found.entity_idx.tolist() == [0, 1, 3]
    assert found.values.tolist() == [[3.0, 1991.0, 1.0, 2.0], [0.0, 0.0, 3.0, 4.0], [0.0, 1995.0, 0.0, 0.0]]
    assert found.present.tolist() == [[True, True, True], [False, False, True], [False, True, False]]
    assert found.group.tolist() == [0, 1, 2, 2]
    alone = add_texts(replace(graph, literals=None), [0, 1, 2], texts).literals
    assert alone is not None and alone.entity_idx.tolist() == [0, 1] and alone.group.tolist() == [0, 0]


def test_statistics_are_of_what_training_may_know(graph: Graph):
    """The year of d, an item without training interactions, counts only where it has some; it is cut off where it lies far outside."""
    two = standardize(graph, torch.tensor([True, False, True])).literals
    assert two is not None
    assert two.values.tolist() == [[0.0, -1.0], [0.0, 1.0]]  # one price does not vary
    one = standardize(graph, torch.tensor([True, True, False])).literals
    assert one is not None
    assert one.values.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert standardize(replace(graph, literals=None), torch.ones(3, dtype=torch.bool)).literals is None


def test_outliers_are_cut(graph: Graph):
    many = [Literal(str(i), "votes", str(i % 2), "integer") for i in range(100)] + [Literal("far", "votes", "1e12", "double")]
    names = [one.entity for one in many]
    found = standardize(replace(graph, n_entities=101, literals=numbers_of(many, names)), torch.ones(3, dtype=torch.bool)).literals
    assert found is not None
    assert found.values.max() == 5.0
