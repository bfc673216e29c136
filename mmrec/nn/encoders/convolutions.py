"""Relational graph encoders based on the convolutions of torch-geometric, alternatives to those in `mmrec.nn.encoders.knowledge`.

They materialise one row per message, so memory and time are proportional to the edges. As in our own encoders, messages pass in both
directions along every edge, and item entities start from zero. Messages are gathered by `index_select`, whose backward accumulates in a
fixed
order: equal seeds give bitwise equal results for the same number of threads (which RGATConv with two threads did not). Where a convolution
supports it, the edges are an `EdgeIndex` sorted by target, so that sums access memory in order.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.extras import needs
from mmrec.nn.encoders.entity_vectors import entity_table, literal_vectors, xavier
from mmrec.nn.encoders.knowledge import both_ways, is_free
from mmrec.types import Graph

with needs("graph", "this encoder"):
    from torch_geometric import EdgeIndex
    from torch_geometric.nn import HGTConv, RGCNConv, TransformerConv

_NODE = "entity"


class ConvolutionEncoder(nn.Module, ABC):
    """The common parts of the encoders: initial entity vectors, and ReLU and dropout between layers."""

    is_free: Float[Tensor, "n_entities 1"]
    edge_index: Int64[Tensor, "2 n_messages"]
    edge_type: Int64[Tensor, " n_messages"]

    def __init__(self, graph: Graph, embedding_dim: int, n_layers: int, dropout: float, pretrained: str | None = None) -> None:
        super().__init__()
        messages = both_ways(graph)
        order = messages.target.argsort(stable=True)
        self.n_entities = graph.n_entities
        self.entities = entity_table(graph, embedding_dim, pretrained)
        self.literals = literal_vectors(graph, embedding_dim)
        self.relation_embeddings = xavier(graph.n_relations, embedding_dim)
        """(n_relations, embedding_dim), for link prediction."""
        self.register_buffer("is_free", is_free(graph), persistent=False)
        self.register_buffer("edge_index", torch.stack([messages.source, messages.target])[:, order], persistent=False)
        self.register_buffer("edge_type", messages.relation[order], persistent=False)
        self.layers = nn.ModuleList(self.make_layer(graph, embedding_dim) for _ in range(n_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self) -> Float[Tensor, "n_entities embedding_dim"]:
        """Embeddings of all entities; rows of items are at `graph.item_entity`."""
        h: Tensor = self.literals(self.entities * self.is_free)
        for i, layer in enumerate(cast("Iterable[nn.Module]", self.layers)):
            h = self.pass_messages(layer, h if i == 0 else self.dropout(h.relu()))
        return h

    def sorted_edges(self) -> Tensor:
        """The edges as an `EdgeIndex` marked as sorted by target."""
        sorted_edges: Tensor = EdgeIndex(self.edge_index, sparse_size=(self.n_entities, self.n_entities), sort_order="col")
        return sorted_edges

    @abstractmethod
    def make_layer(self, graph: Graph, dim: int) -> nn.Module:
        """Create a convolution from `dim` to `dim`."""

    @abstractmethod
    def pass_messages(self, layer: nn.Module, h: Float[Tensor, "n_entities dim"]) -> Float[Tensor, "n_entities dim"]:
        """Apply a layer to the entity vectors."""


class RGCNConvEncoder(ConvolutionEncoder):
    """R-GCN with basis decomposition (Schlichtkrull et al. 2018); equivalent to `RGCNEncoder`, which uses sparse products."""

    def __init__(
        self, graph: Graph, embedding_dim: int, n_layers: int = 2, dropout: float = 0.1, n_bases: int = 8, pretrained: str | None = None
    ) -> None:
        self.n_bases = n_bases
        super().__init__(graph, embedding_dim, n_layers, dropout, pretrained)

    def make_layer(self, graph: Graph, dim: int) -> nn.Module:
        layer: nn.Module = RGCNConv(dim, dim, 2 * graph.n_relations, num_bases=self.n_bases)
        return layer

    def pass_messages(self, layer: nn.Module, h: Float[Tensor, "n_entities dim"]) -> Float[Tensor, "n_entities dim"]:
        passed: Tensor = layer(h, self.edge_index, self.edge_type)  # it selects edges by relation, which `EdgeIndex` does not support
        return passed


class GraphTransformerEncoder(ConvolutionEncoder):
    """Graph transformer (Shi et al. 2021): query-key attention, with relation vectors added to keys and values."""

    def __init__(
        self, graph: Graph, embedding_dim: int, n_layers: int = 1, dropout: float = 0.1, n_heads: int = 4, pretrained: str | None = None
    ) -> None:
        _check_heads(embedding_dim, n_heads)
        self.n_heads = n_heads
        super().__init__(graph, embedding_dim, n_layers, dropout, pretrained)
        self.edge_features = xavier(2 * graph.n_relations, embedding_dim)

    def make_layer(self, graph: Graph, dim: int) -> nn.Module:
        layer: nn.Module = TransformerConv(dim, dim // self.n_heads, heads=self.n_heads, edge_dim=dim)
        return layer

    def pass_messages(self, layer: nn.Module, h: Float[Tensor, "n_entities dim"]) -> Float[Tensor, "n_entities dim"]:
        passed: Tensor = layer(h, self.sorted_edges(), self.edge_features.index_select(0, self.edge_type))
        return passed


class HGTEncoder(ConvolutionEncoder):
    """Heterogeneous graph transformer (Hu et al. 2020) with a single node type: attention with matrices and a prior weight per relation."""

    def __init__(
        self, graph: Graph, embedding_dim: int, n_layers: int = 1, dropout: float = 0.1, n_heads: int = 4, pretrained: str | None = None
    ) -> None:
        _check_heads(embedding_dim, n_heads)
        self.n_heads = n_heads
        self.kinds = [(_NODE, str(relation), _NODE) for relation in range(2 * graph.n_relations)]
        super().__init__(graph, embedding_dim, n_layers, dropout, pretrained)

    def make_layer(self, graph: Graph, dim: int) -> nn.Module:
        layer: nn.Module = HGTConv(dim, dim, ([_NODE], self.kinds), heads=self.n_heads)
        return layer

    def pass_messages(self, layer: nn.Module, h: Float[Tensor, "n_entities dim"]) -> Float[Tensor, "n_entities dim"]:
        edges = {kind: self.edge_index[:, self.edge_type == relation] for relation, kind in enumerate(self.kinds)}
        passed: Tensor = layer({_NODE: h}, edges)[_NODE]
        return passed


def _check_heads(embedding_dim: int, n_heads: int) -> None:
    if n_heads < 1 or embedding_dim % n_heads:
        raise ValueError(f"kg_encoder.n_heads: expected a divisor of embedding_dim, which is {embedding_dim}, found {n_heads}")
