"""Relational encoders of a knowledge graph: one vector per entity, computed from its relations and trained jointly with the model.

Both encoders process the whole graph and pass messages in both directions along every edge, using inverse relations. They do not
materialise a row per edge: messages are aggregated by products with constant sparse matrices (`mmrec.nn.propagation`), which on a CPU core
is many times faster than gathering and scattering.

The entity of an item starts from zero rather than from a free vector, so that an item is represented by its relations only. A free vector
would act as a second collaborative embedding, and as noise for new items.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.nn.encoders.entity_vectors import entity_table, literal_vectors, xavier
from mmrec.nn.propagation import Propagation, csr_matrix
from mmrec.nn.table_rows import ENTITIES, RELATIONS
from mmrec.types import Graph


class Messages(NamedTuple):
    """The messages along every edge, first forward, then backward with relations offset by `n_relations`."""

    source: Int64[Tensor, " n_messages"]
    relation: Int64[Tensor, " n_messages"]
    target: Int64[Tensor, " n_messages"]


class CompGCNEncoder(nn.Module):
    """CompGCN (Vashishth et al. 2020, eq. 2-5) with subtraction as composition; entities and relations share a space, both are updated.

        h_v' = tanh(1/3 (W_in sum_in w (h_u - z_r) + W_out sum_out w (h_u - z_r) + W_self (h_v - z_self))),   z_r' = W_rel z_r

    with w = 1 / sqrt(n_received(v) n_sent(u)) in either direction. The last layer has no tanh; dropout is between layers. Since subtraction
    is linear, the sums of both directions are one product of a constant matrix with the stacked h and z, with rows only for entities that
    receive messages in a direction; a second sparse product adds up the two rows of each entity.
    """

    table_rows = {"entities": (ENTITIES,), "relations": (RELATIONS, RELATIONS, 1)}  # noqa: RUF012
    is_free: Float[Tensor, "n_entities 1"]

    def __init__(self, graph: Graph, embedding_dim: int, n_layers: int = 1, dropout: float = 0.1, pretrained: str | None = None) -> None:
        super().__init__()
        self.n_relations = graph.n_relations
        messages, sums, self.block_sizes = _compgcn_matrices(graph)
        self.messages, self.sums = Propagation(messages, symmetric=False), Propagation(sums, symmetric=False)
        self.entities = entity_table(graph, embedding_dim, pretrained)
        self.literals = literal_vectors(graph, embedding_dim)
        self.register_buffer("is_free", is_free(graph), persistent=False)
        self.relations = xavier(2 * graph.n_relations + 1, embedding_dim)
        self.layers = nn.ModuleList(_CompGCNLayer(embedding_dim) for _ in range(n_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self) -> Float[Tensor, "n_entities embedding_dim"]:
        """The embeddings of all entities; those of items are at `graph.item_entity`."""
        h: Tensor = self.literals(self.entities * self.is_free)
        z = self.relations
        for i, layer in enumerate(cast("Iterable[_CompGCNLayer]", self.layers)):
            h = h if i == 0 else self.dropout(h.tanh())
            incoming, outgoing = self.messages(torch.cat([h, z])).split(self.block_sizes)
            h, z = (layer.loop(h - z[-1]) + self.sums(layer(incoming, outgoing))) / 3, layer.relation(z)
        return h

    @property
    def relation_embeddings(self) -> Float[Tensor, "n_relations embedding_dim"]:
        """The embeddings of the forward relations after the last layer."""
        z = self.relations[: self.n_relations]
        for layer in cast("Iterable[_CompGCNLayer]", self.layers):
            z = layer.relation(z)
        return z


class _CompGCNLayer(nn.Module):
    """The matrices of one layer; its forward maps the sums of each direction by the matrix of that direction."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.incoming, self.outgoing, self.loop, self.relation = (_linear(dim) for _ in range(4))

    def forward(self, incoming: Float[Tensor, "n_in dim"], outgoing: Float[Tensor, "n_out dim"]) -> Float[Tensor, "n_pairs dim"]:
        return torch.cat([self.incoming(incoming), self.outgoing(outgoing)])


class RGCNEncoder(nn.Module):
    """R-GCN with basis decomposition (Schlichtkrull et al. 2018, eq. 2-3): neighbour means per relation, each with its own matrix.

        h_v' = relu(W_self h_v + sum_r W_r mean_{u in N_r(v)} h_u),   W_r = sum_b a_rb V_b

    The last layer has no ReLU; dropout is between layers. The means of all (relation, entity) pairs with neighbours are one sparse product,
    sorted by relation, so that each W_r multiplies a dense block; a second sparse product adds up the blocks by entity.
    """

    table_rows = {"entities": (ENTITIES,), "relation_embeddings": (RELATIONS,)}  # noqa: RUF012
    is_free: Float[Tensor, "n_entities 1"]

    def __init__(
        self,
        graph: Graph,
        embedding_dim: int,
        n_layers: int = 2,
        dropout: float = 0.1,
        n_bases: int = 8,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        means, sums, self.block_sizes = _rgcn_matrices(graph)
        self.means, self.sums = Propagation(means, symmetric=False), Propagation(sums, symmetric=False)
        self.entities = entity_table(graph, embedding_dim, pretrained)
        self.literals = literal_vectors(graph, embedding_dim)
        self.register_buffer("is_free", is_free(graph), persistent=False)
        self.relation_embeddings = xavier(graph.n_relations, embedding_dim)
        """(n_relations, embedding_dim), for link prediction only: R-GCN itself has relation matrices rather than vectors."""
        self.layers = nn.ModuleList(_RGCNLayer(embedding_dim, 2 * graph.n_relations, n_bases) for _ in range(n_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self) -> Float[Tensor, "n_entities embedding_dim"]:
        """The embeddings of all entities; those of items are at `graph.item_entity`."""
        h: Tensor = self.literals(self.entities * self.is_free)
        for i, layer in enumerate(cast("Iterable[_RGCNLayer]", self.layers)):
            h = h if i == 0 else self.dropout(h.relu())
            h = layer.loop(h) + self.sums(layer(self.means(h).split(self.block_sizes)))
        return h


class _RGCNLayer(nn.Module):
    """The matrices of one layer; its forward maps the means of every relation by the matrix of that relation."""

    table_rows = {"coefficients": (RELATIONS, RELATIONS)}  # noqa: RUF012

    def __init__(self, dim: int, n_relations: int, n_bases: int) -> None:
        super().__init__()
        self.loop = nn.Linear(dim, dim)
        self.bases = nn.Parameter(torch.stack([xavier(dim, dim).detach() for _ in range(n_bases)]))
        self.coefficients = xavier(n_relations, n_bases)

    def forward(self, means: tuple[Tensor, ...]) -> Float[Tensor, "n_pairs dim"]:
        weights = torch.einsum("rb,bij->rij", self.coefficients, self.bases)
        return torch.cat([block @ weight for block, weight in zip(means, weights, strict=True)])


def is_free(graph: Graph) -> Float[Tensor, "n_entities 1"]:
    """A mask that is 0 for item entities and 1 for all others."""
    free = torch.ones(graph.n_entities, 1)
    free[graph.item_entity[graph.item_entity >= 0]] = 0
    return free


def both_ways(graph: Graph) -> Messages:
    """Every triple as a message from head to tail, then as a message from tail to head with the relation offset by `n_relations`."""
    head, tail = graph.edge_index
    relation = torch.cat([graph.edge_type, graph.edge_type + graph.n_relations])
    return Messages(torch.cat([head, tail]), relation, torch.cat([tail, head]))


def _compgcn_matrices(graph: Graph) -> tuple[Tensor, Tensor, list[int]]:
    """Messages (n_pairs, n_entities + 2 n_relations + 1) to each (direction, target) pair, sums (n_entities, n_pairs), and block sizes.

    Messages are [A | -C], where A holds the weight of each message at (pair, source) and C at (pair, relation); the column of z_self is
    empty.
    """
    source, relation, target = both_ways(graph)
    offset = (relation >= graph.n_relations) * graph.n_entities
    pairs, pair, received = torch.unique(offset + target, return_inverse=True, return_counts=True)
    sent = torch.bincount(offset + source)
    weight = (received[pair] * sent[offset + source]).double().rsqrt().float()
    col = torch.cat([source, graph.n_entities + relation])
    shape = (len(pairs), graph.n_entities + 2 * graph.n_relations + 1)
    messages = csr_matrix(pair.repeat(2), col, torch.cat([weight, -weight]), shape)
    return messages, *sums_by_entity(pairs, graph.n_entities, n_blocks=2)


def _rgcn_matrices(graph: Graph) -> tuple[Tensor, Tensor, list[int]]:
    """Means (n_pairs, n_entities) over the neighbours of each (relation, target) pair, sums (n_entities, n_pairs), and block sizes."""
    source, relation, target = both_ways(graph)
    pairs, pair, count = torch.unique(relation * graph.n_entities + target, return_inverse=True, return_counts=True)
    means = csr_matrix(pair, source, count.float().reciprocal()[pair], (len(pairs), graph.n_entities))
    return means, *sums_by_entity(pairs, graph.n_entities, n_blocks=2 * graph.n_relations)


def sums_by_entity(pairs: Int64[Tensor, " n_pairs"], n_entities: int, n_blocks: int) -> tuple[Tensor, list[int]]:
    """For sorted `block * n_entities + entity`: the 0/1 matrix (n_entities, n_pairs) that sums by entity, and the block sizes."""
    idx = torch.arange(len(pairs), device=pairs.device)
    sums = csr_matrix(pairs % n_entities, idx, torch.ones_like(idx, dtype=torch.float32), (n_entities, len(pairs)))
    return sums, torch.bincount(pairs // n_entities, minlength=n_blocks).tolist()


def _linear(dim: int) -> nn.Linear:
    linear = nn.Linear(dim, dim, bias=False)
    nn.init.xavier_normal_(linear.weight)
    return linear
