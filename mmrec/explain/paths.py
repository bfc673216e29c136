"""Paths in the knowledge graph from what a user had to a recommended item, and the graph without a path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import networkx as nx
import torch

from mmrec.types import Graph

MAX_EDGES = 4
"""The length of the longest paths. Items of the same maker are two edges apart; those whose makers have the same owner, four."""
_PATHS_PER_ITEM = 20


@dataclass(frozen=True)
class Edge:
    """A triple of the graph, by positions."""

    head: int
    relation: int
    tail: int


@dataclass(frozen=True)
class GraphPath:
    """A path from an item of the history to the recommended item. Edges may be followed against their direction."""

    item_idx: int
    """The item of the history where the path begins."""
    entities: tuple[int, ...]
    """From the entity of that item to that of the recommended one."""
    edges: tuple[Edge, ...]
    """Between each entity and the next."""


class PathFinder:
    """Finds paths between items in a knowledge graph.

    Args:
        graph: the graph that the model was trained on.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.network = nx.Graph()
        columns = (graph.edge_index[0], graph.edge_type, graph.edge_index[1])
        for head, relation, tail in zip(*(one.tolist() for one in columns), strict=True):
            if head != tail and not self.network.has_edge(head, tail):
                self.network.add_edge(head, tail, edge=Edge(head, relation, tail))

    def paths(self, history: Sequence[int], item_idx: int, n: int = 3) -> tuple[GraphPath, ...]:
        """Return up to n of the shortest paths from items of the history to an item, those through rarer entities first.

        An entity with many edges connects nearly everything, and so says little.
        """
        target = int(self.graph.item_entity[item_idx])
        if target not in self.network:
            return ()
        near = nx.single_source_shortest_path_length(self.network, target, cutoff=MAX_EDGES)
        found = list[GraphPath]()
        for one in history:
            source = int(self.graph.item_entity[one])
            if source in near and source != target:
                between = nx.all_shortest_paths(self.network, source, target)
                found += [self.path(one, nodes) for nodes in islice(between, _PATHS_PER_ITEM)]
        return tuple(sorted(found, key=self._commonness)[:n])

    def path(self, item_idx: int, nodes: Sequence[int]) -> GraphPath:
        """Return the path over neighbouring entities, the first of which is that of an item."""
        edges = tuple(self.network.edges[pair]["edge"] for pair in pairwise(nodes))
        return GraphPath(item_idx, tuple(nodes), edges)

    def _commonness(self, path: GraphPath) -> tuple[int, float, int, tuple[int, ...]]:
        degrees = torch.tensor([float(self.network.degree(node)) for node in path.entities[1:-1]])
        return len(path.edges), float(degrees.log().sum()), path.item_idx, path.entities


def without_path(graph: Graph, path: GraphPath) -> Graph:
    """Return the graph without the edges between consecutive entities of a path, in both directions and of all relations."""
    pairs = list(pairwise(path.entities))
    ends = torch.tensor([*pairs, *((tail, head) for head, tail in pairs)])
    keys = graph.edge_index[0] * graph.n_entities + graph.edge_index[1]
    kept = ~torch.isin(keys, ends[:, 0] * graph.n_entities + ends[:, 1])
    return replace(graph, edge_index=graph.edge_index[:, kept], edge_type=graph.edge_type[kept])
