"""mmrec.nn.item_nodes: every item and every user is a node, whether or not the graph knew it."""

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.nn.item_nodes import collaborative_graph, graph_of_items
from mmrec.types import DatasetSpec, Graph, Interactions

GRAPH = Graph(torch.tensor([[0, 2], [1, 1]]), torch.tensor([0, 1]), n_entities=3, n_relations=2, item_entity=torch.tensor([-1, 2, 0, -1]))
TRAIN = Interactions(torch.tensor([1, 0, 1, 1]), torch.tensor([3, 1, 2, 3]))
SPEC = DatasetSpec(n_users=2, n_items=4, train=TRAIN, graph=GRAPH)


def test_items_outside_the_graph_get_nodes_after_its_entities() -> None:
    graph = graph_of_items(SPEC)
    assert graph.item_entity.tolist() == [3, 2, 0, 4] and graph.n_entities == 5
    assert torch.equal(graph.edge_index, GRAPH.edge_index) and GRAPH.item_entity.tolist() == [-1, 2, 0, -1]


def test_users_come_last_and_are_joined_to_their_items_once_by_a_relation_of_its_own() -> None:
    graph = collaborative_graph(SPEC)
    triples = list(zip(graph.edge_index[0].tolist(), graph.edge_type.tolist(), graph.edge_index[1].tolist(), strict=True))
    assert triples == [(0, 0, 1), (2, 1, 1), (5, 2, 2), (6, 2, 0), (6, 2, 4)]
    assert (graph.n_entities, graph.n_relations) == (7, 3)


def test_without_a_graph_the_message_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"model: .*graph.item_columns"):
        graph_of_items(DatasetSpec(2, 4, TRAIN))
