"""mmrec.kg.graph_growth: items are added to a graph as if it were built from all data."""

import random
from dataclasses import replace

import polars as pl
import pytest
import torch

from mmrec.kg.graph import build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.kg.graph_growth import GraphGrowth
from mmrec.types import Dataset, Graph
from tests.kg.test_graph import make_dataset

SCHEMA = ["head", "relation", "tail"]


def whole(dataset: Dataset, item_ids: list[str], min_degree: int) -> Graph:
    return to_tensors(prune(drop_inverse_relations(build_graph(dataset, ["genre"], ", ")), min_degree), item_ids)


def facts(graph: Graph) -> tuple[set, list]:
    """Edges and the nodes of items by name."""
    head, tail = ([graph.entities[one] for one in end.tolist()] for end in graph.edge_index)
    relation = [graph.relations[one] for one in graph.edge_type.tolist()]
    nodes = [None if one < 0 else graph.entities[one] for one in graph.item_entity.tolist()]
    assert len(head) == len(set(zip(head, relation, tail, strict=True))) and len(set(graph.entities)) == graph.n_entities
    return set(zip(head, relation, tail, strict=True)) | set(graph.entities), nodes


def extended(dataset: Dataset, triples: list, items: list, entities: dict[str, str], before: list[str], min_degree: int) -> Graph | None:
    growth = GraphGrowth(dataset, ["genre"], ", ", min_degree, whole(dataset, before, min_degree))
    rows = pl.DataFrame(items, schema=["item_id", "genre"], orient="row")
    return growth.extended(rows, entities, triples)


@pytest.mark.parametrize("min_degree", [1, 2, 3])
def test_the_facts_are_those_of_a_graph_of_all_data(min_degree: int) -> None:
    """Random graphs, of which pruning leaves a part; the added items bring some of what was pruned back."""
    rng, n_revived = random.Random(min_degree), 0
    for _ in range(60):
        names = [f"e{n}" for n in range(12)]
        drawn = {(rng.choice(names), rng.choice("rs"), rng.choice(names)) for _ in range(14)}
        triples = [*sorted(drawn), ("i0", "r", "i1"), ("i1", "s", "e1")]
        before, new = ["i0", "i1", "i2"], ["x", "y"]
        items = [(name, rng.choice([None, "a", "a, b", "c"])) for name in before]
        added = [(name, rng.choice([None, "a", "b, d"])) for name in new]
        more = sorted({(rng.choice(new), rng.choice("rs"), rng.choice([*names, "e100", "i0"])) for _ in range(rng.randint(0, 4))})
        entities = {"item_id": [*before], "entity": ["i0", "i1", "e2"]}
        dataset = make_dataset(triples, entities, {"item_id": before, "genre": [genre for _, genre in items]})
        told = {"y": "e3"} if rng.random() < 0.3 else {}
        found = extended(dataset, more, added, told, before, min_degree)
        aligned = {"item_id": [*before, *new], "entity": ["i0", "i1", "e2", *(told.get(name, name) for name in new)]}
        all_items = {"item_id": [*before, *new], "genre": [genre for _, genre in (*items, *added)]}
        wanted = whole(make_dataset(triples + more, aligned, all_items), [*before, *new], min_degree)
        old = whole(dataset, before, min_degree)
        if old.relations != wanted.relations:
            continue
        if any(tail == "e2" for _, _, tail in more) and "e2" not in {end for one in triples for end in one}:
            assert found is None
            continue
        assert facts(found)[1] == facts(wanted)[1]
        assert facts(found)[0] == facts(wanted)[0], (facts(found)[0] ^ facts(wanted)[0], more, told)
        assert found.entities[: old.n_entities] == old.entities and found.edge_index[:, : len(old.edge_type)].equal(old.edge_index)
        n_revived += len({*found.entities} - {*old.entities, *new, "e100"}) > 0
    assert min_degree == 1 or n_revived > 3


def test_what_changes_other_items_is_left_to_a_new_graph() -> None:
    """A literal that one item had alone is shared now; an item outside the graph is mentioned for the first time."""
    triples = pl.DataFrame(
        [("i0", "year", "1999", "number"), ("i0", "r", "a", None), ("i1", "r", "a", None)], schema=[*SCHEMA, "datatype"], orient="row"
    )
    dataset = replace(make_dataset([], None, {"item_id": ["i0", "i1", "i2"], "genre": [None] * 3}), triples=triples)
    dataset = replace(dataset, items=dataset.items.cast({"genre": pl.String}))
    before = ["i0", "i1", "i2"]
    assert extended(dataset, [("x", "year", "1999")], [("x", None)], {}, before, 1) is None
    assert extended(dataset, [("x", "r", "i2")], [("x", None)], {}, before, 1) is None
    found = extended(dataset, [("x", "r", "a"), ("x", "unheard of", "a")], [("x", None)], {}, before, 1)
    assert found is not None and found.n_relations == 1 and found.item_entity.tolist()[2:] == [-1, found.n_entities - 1]
    outside = extended(dataset, [], [("x", None)], {}, before, 1)
    assert torch.equal(outside.item_entity[3:], torch.tensor([-1])) and outside.n_entities == 3


def test_a_relation_that_repeats_another_in_reverse_counts_as_that() -> None:
    triples = [("i0", "of", "a"), ("a", "by", "i0"), ("i1", "of", "b"), ("b", "by", "i1")]
    dataset = make_dataset(triples, None, {"item_id": ["i0", "i1"], "genre": [None] * 2})
    dataset = replace(dataset, items=dataset.items.cast({"genre": pl.String}))
    found = extended(dataset, [("x", "of", "a")], [("x", None)], {}, ["i0", "i1"], 1)
    assert found is not None and found.relations == ("by",) and ("a", "by", "x") in facts(found)[0]
