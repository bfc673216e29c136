"""Relational encoders of a knowledge graph: one vector an entity, from what it is related to, trained jointly with whatever uses it.

Both work on the whole graph at once and pass messages both ways along every edge, an inverse relation standing for the way back. Neither
makes a tensor with a row an edge: messages are added up by products with constant sparse matrices (`mmrec.nn.propagation`), which on a CPU
core is many times faster than gathering and scattering.

An item's own entity starts from zero, not from a free vector: an item is what its relations say of it. A free vector would be a second
collaborative embedding under another name, and noise for an item that nobody has interacted with.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.nn.encoders.entity_vectors import entity_table, literal_vectors, xavier
from mmrec.nn.propagation import Propagation, csr_matrix
from mmrec.types import Graph


class Messages(NamedTuple):
    """Every edge, forward and then back, as what it sends where: `relation` is below n_relations forward and above it on the way back."""

    source: Int64[Tensor, " n_messages"]
    relation: Int64[Tensor, " n_messages"]
    target: Int64[Tensor, " n_messages"]


class CompGCNEncoder(nn.Module):
    """CompGCN (Vashishth et al. 2020, eq. 2-5) with subtraction as composition: entities and relations in one space, both updated.

        h_v' = tanh(1/3 (W_in sum_in w (h_u - z_r) + W_out sum_out w (h_u - z_r) + W_self (h_v - z_self))),   z_r' = W_rel z_r

    with w = 1 / sqrt(n_received(v) n_sent(u)) in either direction. The last layer has no tanh; dropout is between layers. As
    subtraction is linear, the sums of both directions are one product of a constant matrix with all h and z stacked; only entities that
    receive anything in a direction have a row there, and a second sparse product adds the two rows of an entity up.
    """

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
        """Embeddings of all entities; rows of items are at `graph.item_entity`."""
        h: Tensor = self.literals(self.entities * self.is_free)
        z = self.relations
        for i, layer in enumerate(cast("Iterable[_CompGCNLayer]", self.layers)):
            h = h if i == 0 else self.dropout(h.tanh())
            incoming, outgoing = self.messages(torch.cat([h, z])).split(self.block_sizes)
            h, z = (layer.loop(h - z[-1]) + self.sums(layer(incoming, outgoing))) / 3, layer.relation(z)
        return h

    @property
    def relation_embeddings(self) -> Float[Tensor, "n_relations embedding_dim"]:
        """What the last layer makes of the relations as the triples name them."""
        z = self.relations[: self.n_relations]
        for layer in cast("Iterable[_CompGCNLayer]", self.layers):
            z = layer.relation(z)
        return z


class _CompGCNLayer(nn.Module):
    """The matrices of one layer; maps the sums of each direction by that direction's."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.incoming, self.outgoing, self.loop, self.relation = (_linear(dim) for _ in range(4))

    def forward(self, incoming: Float[Tensor, "n_in dim"], outgoing: Float[Tensor, "n_out dim"]) -> Float[Tensor, "n_pairs dim"]:
        return torch.cat([self.incoming(incoming), self.outgoing(outgoing)])


class RGCNEncoder(nn.Module):
    """R-GCN with basis decomposition (Schlichtkrull et al. 2018, eq. 2-3): means of the neighbours by relation, each with its own matrix.

        h_v' = relu(W_self h_v + sum_r W_r mean_{u in N_r(v)} h_u),   W_r = sum_b a_rb V_b

    The last layer has no relu; dropout is between layers. The means of all (relation, entity) pairs that have a neighbour are one sparse
    product, sorted by relation, so that each W_r multiplies a dense block; a second sparse product adds the blocks up by entity.
    """

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
        """(n_relations, embedding_dim), for link prediction only: R-GCN itself has matrices where others have relation vectors."""
        self.layers = nn.ModuleList(_RGCNLayer(embedding_dim, 2 * graph.n_relations, n_bases) for _ in range(n_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self) -> Float[Tensor, "n_entities embedding_dim"]:
        """Embeddings of all entities; rows of items are at `graph.item_entity`."""
        h: Tensor = self.literals(self.entities * self.is_free)
        for i, layer in enumerate(cast("Iterable[_RGCNLayer]", self.layers)):
            h = h if i == 0 else self.dropout(h.relu())
            h = layer.loop(h) + self.sums(layer(self.means(h).split(self.block_sizes)))
        return h


class _RGCNLayer(nn.Module):
    """The matrices of one layer; maps the means of every relation by that relation's."""

    def __init__(self, dim: int, n_relations: int, n_bases: int) -> None:
        super().__init__()
        self.loop = nn.Linear(dim, dim)
        self.bases = nn.Parameter(torch.stack([xavier(dim, dim).detach() for _ in range(n_bases)]))
        self.coefficients = xavier(n_relations, n_bases)

    def forward(self, means: tuple[Tensor, ...]) -> Float[Tensor, "n_pairs dim"]:
        weights = torch.einsum("rb,bij->rij", self.coefficients, self.bases)
        return torch.cat([block @ weight for block, weight in zip(means, weights, strict=True)])


def is_free(graph: Graph) -> Float[Tensor, "n_entities 1"]:
    """0 for the entities of items, 1 for all others."""
    free = torch.ones(graph.n_entities, 1)
    free[graph.item_entity[graph.item_entity >= 0]] = 0
    return free


def both_ways(graph: Graph) -> Messages:
    """Every triple as a message from head to tail, then every one as a message back, by the relation `n_relations` further."""
    head, tail = graph.edge_index
    relation = torch.cat([graph.edge_type, graph.edge_type + graph.n_relations])
    return Messages(torch.cat([head, tail]), relation, torch.cat([tail, head]))


def _compgcn_matrices(graph: Graph) -> tuple[Tensor, Tensor, list[int]]:
    """Messages (n_pairs, n_entities + 2 n_relations + 1) to each (direction, target) pair, sums (n_entities, n_pairs), and block sizes.

    Messages are [A | -C]: A holds the weight of each message at (pair, source), C the same at (pair, relation); z_self's column is empty.
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
    """Means (n_pairs, n_entities) over neighbours of each (relation, target) pair, sums (n_entities, n_pairs), and block sizes."""
    source, relation, target = both_ways(graph)
    pairs, pair, count = torch.unique(relation * graph.n_entities + target, return_inverse=True, return_counts=True)
    means = csr_matrix(pair, source, count.float().reciprocal()[pair], (len(pairs), graph.n_entities))
    return means, *sums_by_entity(pairs, graph.n_entities, n_blocks=2 * graph.n_relations)


def sums_by_entity(pairs: Int64[Tensor, " n_pairs"], n_entities: int, n_blocks: int) -> tuple[Tensor, list[int]]:
    """For sorted `block * n_entities + entity`: the 0/1 matrix (n_entities, n_pairs) that adds up by entity, and the rows of each block."""
    idx = torch.arange(len(pairs), device=pairs.device)
    sums = csr_matrix(pairs % n_entities, idx, torch.ones_like(idx, dtype=torch.float32), (n_entities, len(pairs)))
    return sums, torch.bincount(pairs // n_entities, minlength=n_blocks).tolist()


def _linear(dim: int) -> nn.Linear:
    linear = nn.Linear(dim, dim, bias=False)
    nn.init.xavier_normal_(linear.weight)
    return linear
