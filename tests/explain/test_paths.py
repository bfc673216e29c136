"""Paths in a small graph: only its edges, the shortest first, through rare entities before common ones."""

import torch

from mmrec.explain.paths import Edge, PathFinder, without_path
from mmrec.types import Graph

# items 0-3 are entities 0-3; 4 is a maker of 0 and 1; 5 is a genre of 0, 1, 2; 6 owns the maker; 3 is alone
TRIPLES = [(0, 0, 4), (1, 0, 4), (0, 1, 5), (1, 1, 5), (2, 1, 5), (4, 2, 6)]


def graph() -> Graph:
    head, relation, tail = torch.tensor(TRIPLES).unbind(1)
    return Graph(torch.stack([head, tail]), relation, 7, 3, torch.tensor([0, 1, 2, 3]))


def test_every_edge_of_a_path_is_in_the_graph_and_rare_entities_come_first() -> None:
    found = PathFinder(graph()).paths([0, 2], 1)
    assert [path.entities for path in found] == [(0, 4, 1), (0, 5, 1), (2, 5, 1)]
    assert {(edge.head, edge.relation, edge.tail) for path in found for edge in path.edges} <= set(TRIPLES)
    assert found[0].edges == (Edge(0, 0, 4), Edge(1, 0, 4)) and found[0].item_idx == 0


def test_items_outside_the_graph_or_too_far_have_none() -> None:
    assert PathFinder(graph()).paths([0, 1, 2], 3) == ()
    assert PathFinder(graph()).paths([3], 1) == ()


def test_without_a_path_its_edges_alone_are_gone() -> None:
    path = PathFinder(graph()).paths([0], 1)[0]
    rest = without_path(graph(), path)
    kept = list(zip(rest.edge_index[0].tolist(), rest.edge_type.tolist(), rest.edge_index[1].tolist(), strict=True))
    assert kept == [one for one in TRIPLES if one not in {(0, 0, 4), (1, 0, 4)}]
    assert PathFinder(rest).paths([0], 1)[0].entities == (0, 5, 1)


def test_paths_of_random_graphs_are_walks_over_their_edges() -> None:
    generator, n_entities = torch.Generator().manual_seed(0), 40
    edges = torch.randint(n_entities, (2, 90), generator=generator)
    relations = torch.randint(3, (90,), generator=generator)
    random = Graph(edges, relations, n_entities, 3, torch.arange(20))
    known, n_paths = set(zip(edges[0].tolist(), relations.tolist(), edges[1].tolist(), strict=True)), 0
    finder = PathFinder(random)
    for item in range(10, 20):
        for path in finder.paths(range(10), item, 20):
            n_paths += 1
            assert path.entities[0] == path.item_idx and path.entities[-1] == item and len(path.edges) == len(path.entities) - 1 <= 4
            for edge, source, target in zip(path.edges, path.entities, path.entities[1:], strict=False):
                assert (edge.head, edge.relation, edge.tail) in known
                assert {edge.head, edge.tail} == {source, target}
    assert n_paths > 50
