"""Add nodes for items and users to a knowledge graph, for models that propagate over all of them."""

import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.types import DatasetSpec, Graph


def graph_of_items(spec: DatasetSpec) -> Graph:
    """The knowledge graph with a node for every item: items outside the graph are appended after all entities, without edges.

    Literals are dropped, since these models learn from triples alone. Raises ConfigError if the dataset has no graph.
    """
    graph = spec.graph
    if graph is None or not len(graph.edge_type):
        raise ConfigError(
            "model: it learns from a knowledge graph, and there is none; give data triples or set graph.item_columns=[…], "
            "with evidence.kg=true, or choose a model that requires none"
        )
    outside = graph.item_entity < 0
    nodes = graph.item_entity.clone()
    nodes[outside] = graph.n_entities + torch.arange(int(outside.sum()))
    return Graph(graph.edge_index, graph.edge_type, graph.n_entities + int(outside.sum()), graph.n_relations, nodes)


def collaborative_graph(spec: DatasetSpec) -> Graph:
    """The collaborative knowledge graph (Wang et al. 2019, §2): `graph_of_items` with the users as the last `n_users` nodes.

    The last relation connects each user to the distinct items of their training interactions. Raises ConfigError if there is no graph.
    """
    graph = graph_of_items(spec)
    owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    user, item = owned.rows(torch.arange(spec.n_users))
    interactions = torch.stack([graph.n_entities + user, graph.item_entity[item]])
    return Graph(
        torch.cat([graph.edge_index, interactions], dim=1),
        torch.cat([graph.edge_type, torch.full_like(user, graph.n_relations)]),
        graph.n_entities + spec.n_users,
        graph.n_relations + 1,
        graph.item_entity,
    )
