"""mmrec.kg.graph: building, alignment, tensors, pruning, statistics and GraphML, on graphs small enough to know by heart."""

from pathlib import Path

import networkx as nx
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.errors import DataError
from mmrec.kg.graph import (
    KnowledgeGraph,
    build_graph,
    drop_inverse_relations,
    inverse_relations,
    prune,
    statistics,
    to_tensors,
    write_graphml,
)
from mmrec.types import Dataset

TRIPLES = [("Alien", "director", "Scott"), ("Blade", "director", "Scott"), ("Alien", "actor", "Weaver"), ("Alien", "director", "Scott")]
ITEMS = {"item_id": ["1", "2", "3", "4"], "genre": [" Horror, Drama ", "Drama,", None, "Comedy"], "year": [1979, 1982, None, None]}
ENTITIES = {"item_id": ["1", "2", "3", "9"], "entity": ["Alien", "Blade", "Nowhere", "Scott"]}
ITEM_IDS = ["1", "2", "3", "4"]


def make_dataset(triples: list[tuple[str, str, str]], entities: dict | None = None, items: dict | None = None) -> Dataset:
    return Dataset(
        name="films",
        root=Path(),
        interactions=pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}),
        items=pl.DataFrame(items or ITEMS),
        text_columns=(),
        triples=pl.DataFrame(triples, schema=["head", "relation", "tail"], orient="row"),
        item_entities=None if entities is None else pl.DataFrame(entities),
    )


@pytest.fixture
def graph() -> KnowledgeGraph:
    return build_graph(make_dataset(TRIPLES, ENTITIES), ["genre"], ", ")


def test_triples_and_columns_make_one_graph(graph: KnowledgeGraph):
    """Item 1 and 2 are entities of triples; 3 has neither triple nor genre; 4 has only a genre; 9 is no item. One triple comes twice."""
    assert graph.triples == [
        ("Alien", "actor", "Weaver"),
        ("Alien", "director", "Scott"),
        ("Alien", "genre", "genre:Drama"),
        ("Alien", "genre", "genre:Horror"),
        ("Blade", "director", "Scott"),
        ("Blade", "genre", "genre:Drama,"),
        ("item:4", "genre", "genre:Comedy"),
    ]
    assert graph.item_entity == {"1": "Alien", "2": "Blade", "4": "item:4"}


def test_without_a_table_items_are_entities_under_their_own_id():
    items = {"item_id": ["Alien", "Weaver", "Solaris"]}
    assert build_graph(make_dataset(TRIPLES, None, items), [], "").item_entity == {"Alien": "Alien", "Weaver": "Weaver"}


@pytest.mark.parametrize(
    ("values", "separator", "expected"),
    [
        (["a|b | |b", "A"], "|", {"a", "b", "A"}),
        (["a b", ""], "", {"a b"}),
        ([["x, y", "z"], []], ", ", {"x, y", "z"}),
        ([7, None], ",", {"7"}),
    ],
)
def test_values_of_a_column(values: list, separator: str, expected: set[str]):
    dataset = make_dataset([], None, {"item_id": ["1", "2"], "tag": values})
    tails = {tail for _, _, tail in build_graph(dataset, ["tag"], separator).triples}
    assert tails == {f"tag:{value}" for value in expected}


def test_a_dataset_may_have_no_triples():
    dataset = Dataset("shop", Path(), pl.DataFrame(), pl.DataFrame(ITEMS), ())
    assert build_graph(dataset, ["year"], ", ").triples == [("item:1", "year", "year:1979"), ("item:2", "year", "year:1982")]
    assert to_tensors(build_graph(dataset, [], ""), ITEM_IDS).edge_index.shape == (2, 0)


def test_lists_of_lists_are_flat_values_and_structs_are_named():
    items = {"item_id": ["1", "2"], "tag": [[["a", "b"], ["c"]], [["a"]]], "about": [{"k": "x"}, None]}
    triples = build_graph(make_dataset(TRIPLES, None, items), ["tag"], ", ").triples
    assert {tail for _, relation, tail in triples if relation == "tag"} == {"tag:a", "tag:b", "tag:c"}
    with pytest.raises(DataError, match="expected values or lists of them in `about`, it holds Struct"):
        build_graph(make_dataset(TRIPLES, None, items), ["about"], ", ")


def test_errors_name_the_column_and_the_item():
    with pytest.raises(DataError, match=r"`gener`.*did you mean `genre`\?"):
        build_graph(make_dataset(TRIPLES), ["gener"], ", ")
    with pytest.raises(DataError, match="item `1` 2 entities, `Alien`, `Blade`"):
        build_graph(make_dataset(TRIPLES, {"item_id": ["1", "1"], "entity": ["Alien", "Blade"]}), [], "")


def test_tensors_are_sorted_names_and_name_the_items(graph: KnowledgeGraph):
    tensors = to_tensors(graph, ["4", "3", "1", "2"])
    assert graph.entities == ["Alien", "Blade", "Scott", "Weaver", "genre:Comedy", "genre:Drama", "genre:Drama,", "genre:Horror", "item:4"]
    assert graph.relations == ["actor", "director", "genre"]
    assert tensors.edge_index.tolist() == [[0, 0, 0, 0, 1, 1, 8], [3, 2, 5, 7, 2, 6, 4]]
    assert tensors.edge_type.tolist() == [0, 1, 2, 2, 1, 2, 2]
    assert tensors.item_entity.tolist() == [8, -1, 0, 1]
    assert (tensors.n_entities, tensors.n_relations) == (9, 3)


@settings(max_examples=25, deadline=None)
@given(st.permutations(TRIPLES), st.permutations(range(4)))
def test_tensors_do_not_depend_on_the_order_of_files(triples: list, rows: list[int]):
    items = {column: [values[row] for row in rows] for column, values in ITEMS.items()}
    one = to_tensors(build_graph(make_dataset(TRIPLES, ENTITIES), ["genre"], ", "), ITEM_IDS)
    other = to_tensors(build_graph(make_dataset(triples, ENTITIES, items), ["genre"], ", "), ITEM_IDS)
    for name in ("edge_index", "edge_type", "item_entity"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_prune_again_and_again_but_never_an_item():
    """Scott joins two films and stays. c hangs on b, b on an item: with c gone, b is a leaf too. A twin relation is no second neighbour."""
    chain = [("Alien", "r", "b"), ("b", "r", "c"), ("c", "s", "b"), ("Solaris", "r", "d")]
    entities = {"item_id": ["1", "2", "3"], "entity": ["Alien", "Blade", "Solaris"]}
    full = build_graph(make_dataset(TRIPLES + chain, entities), [], "")
    pruned = prune(full, min_degree=2)
    assert pruned.entities == ["Alien", "Blade", "Scott", "Solaris"]
    assert pruned.item_entity == full.item_entity
    assert "b" in full.network
    assert prune(full, min_degree=1).triples == full.triples


def test_a_relation_that_says_another_backwards_is_found_and_dropped():
    triples = [
        ("f", "by", "d"),
        ("d", "of", "f"),
        ("g", "by", "d"),
        ("d", "of", "g"),
        ("f", "near", "g"),
        ("g", "near", "f"),
        ("d", "likes", "f"),
    ]
    graph = build_graph(make_dataset(triples), [], "")
    assert inverse_relations(graph) == {"of": "by"}
    assert drop_inverse_relations(graph).relations == ["by", "likes", "near"]
    assert len(graph.triples) == 7


def test_statistics_by_hand(graph: KnowledgeGraph):
    found = statistics(graph, ITEM_IDS)
    quantiles = found.pop("degree_quantiles")
    assert found == {
        "entities": 9,
        "relations": 3,
        "triples": 7,
        "triples_by_relation": {"genre": 4, "director": 2, "actor": 1},
        "inverse_relations": {},
        "literals": 0,
        "literals_by_relation": {},
        "items_aligned": 3,
        "items_outside": 1,
        "components": 2,
        "largest_component": 7,
        "isolated": 0,
    }
    assert (quantiles["0.0"], quantiles["0.5"], quantiles["1.0"]) == (1, 1, 4)


def test_statistics_of_nothing():
    found = statistics(KnowledgeGraph(nx.MultiDiGraph(), {}), ITEM_IDS)
    assert (found["triples"], found["items_outside"], found["degree_quantiles"]) == (0, 4, {})


def test_graphml_is_read_back_with_awkward_names(tmp_path: Path):
    triples = [("Don't \"<&>", "r\x00s", "é\nü"), ("Don't \"<&>", "t", "é\nü"), ("é\nü", "t", "Don't \"<&>")]
    graph = build_graph(make_dataset(triples, {"item_id": ["1", "2"], "entity": ["é\nü", "é\nü"]}), [], "")
    write_graphml(graph, tmp_path / "deep" / "graph.graphml")
    back = nx.read_graphml(tmp_path / "deep" / "graph.graphml", force_multigraph=True)
    label = nx.get_node_attributes(back, "label")
    edges = {(label[head], data["relation"], label[tail]) for head, tail, data in back.edges(data=True)}
    assert edges == {(head, relation.replace("\x00", "\ufffd"), tail) for head, relation, tail in triples}
    assert nx.get_node_attributes(back, "item_id") == {"n1": "1 2"}
