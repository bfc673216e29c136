"""KGAT: attentive propagation over users, items and entities, with an embedding of the graph's triples as an auxiliary loss."""

from collections.abc import Collection
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import EpochRecommender, FrozenScorer, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.encoders.knowledge import both_ways
from mmrec.nn.item_nodes import collaborative_graph
from mmrec.nn.reweighted import ReweightedPropagation, softmax_by_row
from mmrec.nn.transr import SortedTriples, TransR
from mmrec.types import DatasetSpec

_SLOPE = 0.2  # the negative slope of the leaky ReLU
_LAYER_DIMS = [64, 32, 16]


class KGATRecommender(EpochRecommender):
    """Knowledge graph attention network (Wang et al. 2019) over the collaborative knowledge graph, including inverse relations.

        π(h,r,t) = (W_r e_t)ᵀ tanh(W_r e_h + e_r), softmax over the triples of h                         (eq. 4, 5)
        e_N = Σ π(h,r,t) e_t                                                                              (eq. 3)
        e' = LeakyReLU(W₁(e_h + e_N)) + LeakyReLU(W₂(e_h ⊙ e_N))                                          (eq. 8, bi-interaction)
        e* = e⁰ ‖ e¹ ‖ … ‖ e^L,   score = e*_u · e*_i                                                      (eq. 11, 12)

    As in the authors' code, each layer ends with dropout and enters e* with unit length. Attention is computed once per epoch from e⁰,
    without gradients. Two terms are added to the ranking loss: the TransR loss `-ln σ(g(h,r,t') - g(h,r,t))` with `g = ‖W_r e_h + e_r - W_r
    e_t‖²` (eq. 1, 2), the mean over all triples, estimated from a stratified sample with one random tail per triple; and `regularization`
    times the squared norms (eq. 13). The authors alternate steps of both losses; here each step uses both.

    Args:
        spec: the training data, with a graph.
        embedding_dim: the size of e⁰.
        relation_dim: the size of e_r.
        layer_dims: the sizes of the layers.
        dropout: the dropout probability.
        n_triples: the approximate number of triples per step.
        regularization: the weight of the L2 penalty.
    """

    ranks_new_items = True
    item_node: Int64[Tensor, " n_items"]
    attention: Float[Tensor, " n_places"]
    triple_weight: Float[Tensor, " n_drawn"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        relation_dim: int = 64,
        layer_dims: list[int] = _LAYER_DIMS,
        dropout: float = 0.1,
        n_triples: int = 4096,
        regularization: float = 0.00001,
    ) -> None:
        super().__init__(spec)
        if min(embedding_dim, relation_dim, n_triples, *layer_dims) < 1:
            raise ValueError("embedding_dim, relation_dim, layer_dims and n_triples: expected at least 1 each")
        graph = collaborative_graph(spec)
        self.n_users, self.regularization = spec.n_users, regularization
        self.embedding = nn.Embedding(graph.n_entities, embedding_dim)
        nn.init.xavier_uniform_(self.embedding.weight)
        self.transr = TransR(2 * graph.n_relations, embedding_dim, relation_dim)
        dims = [embedding_dim, *layer_dims]
        self.layers = nn.ModuleList(BiInteraction(*sizes, dropout) for sizes in pairwise(dims))
        head, relation, tail = both_ways(graph)
        self.triples = SortedTriples(head, relation, tail, 2 * graph.n_relations)
        self.propagation = ReweightedPropagation(self.triples.head, self.triples.tail, graph.n_entities)
        self.register_buffer("item_node", graph.item_entity, persistent=False)
        self._register_sampling(n_triples)
        self.register_buffer("attention", self.attend())

    def _register_sampling(self, n_triples: int) -> None:
        """Set how many triples of each relation a step samples (at least one, if there are any), and their weights in the mean."""
        counts = torch.tensor(self.triples.block_sizes)
        taken = torch.ceil(counts * n_triples / counts.sum()).long().minimum(counts)
        self.taken: list[int] = taken.tolist()
        self.drawn_from = torch.stack([counts.cumsum(0) - counts, counts]).repeat_interleave(taken, dim=1)
        weight = (counts / counts.sum() / taken.clamp(min=1)).repeat_interleave(taken)
        self.register_buffer("triple_weight", weight, persistent=False)

    def attend(self) -> Float[Tensor, " n_places"]:
        """The attention of eq. 4 and 5 under the current parameters, as values of the adjacency matrix with multiple edges summed."""
        scores = self.transr.attention(self.embedding.weight.detach(), self.triples)
        return self.propagation.values(softmax_by_row(scores, self.triples.head, self.propagation.n_nodes))

    def start_epoch(self, generator: torch.Generator) -> None:
        self.attention.copy_(self.attend())

    def encode(self, attention: Float[Tensor, " n_places"]) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """e* of all users and items."""
        layer = self.embedding.weight
        layers = [layer]
        for bi_interaction in self.layers:
            layer = bi_interaction(layer, self.propagation(attention, layer))
            layers.append(F.normalize(layer, dim=1))
        nodes = torch.cat(layers, dim=1)
        return nodes[-self.n_users :], F.embedding(self.item_node, nodes)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        scores = BatchVectors.look_up(*self.encode(self.attention), batch).regularized(batch.row, self.regularization)
        return scores._replace(extra=scores.extra + self.triple_loss(generator))

    def triple_loss(self, generator: torch.Generator) -> Float[Tensor, ""]:
        """The loss of eq. 2 and its part of the regularization, on triples sampled with `generator`."""
        first, count = self.drawn_from
        edge = first + (torch.rand(len(count), generator=generator) * count).long().minimum(count - 1)
        corrupt = torch.randint(self.propagation.n_nodes, (len(count),), generator=generator)
        edge, corrupt = edge.to(self.item_node.device), corrupt.to(self.item_node.device)
        head = self.embedding(self.triples.head[edge])
        tails = self.embedding(torch.stack([self.triples.tail[edge], corrupt], dim=1))
        true, false = self.transr.energy(head, tails, self.taken).unbind(1)
        relations = self.transr.vectors[self.triples.relation[edge]]
        squares = head.square().sum(dim=1) + tails.square().sum(dim=(1, 2)) + relations.square().sum(dim=1)
        losses: Tensor = F.softplus(true - false) + 0.5 * self.regularization * squares
        return (self.triple_weight * losses).sum()

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """Compute e* with the current attention. Users without training interactions get the mean vector of the others."""
        self.eval()
        return self.freeze_vectors(*self.encode(self.attend()))


class BiInteraction(nn.Module):
    """The bi-interaction aggregator of KGAT (eq. 8), followed by dropout."""

    def __init__(self, in_dim: int, out_dim: int, dropout: float) -> None:
        super().__init__()
        self.added, self.multiplied = nn.Linear(in_dim, out_dim), nn.Linear(in_dim, out_dim)
        for linear in (self.added, self.multiplied):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, own: Float[Tensor, "n in_dim"], neighbours: Float[Tensor, "n in_dim"]) -> Float[Tensor, "n out_dim"]:
        added = F.leaky_relu(self.added(own + neighbours), _SLOPE)
        aggregated: Tensor = self.dropout(added + F.leaky_relu(self.multiplied(own * neighbours), _SLOPE))
        return aggregated
