"""KGIN: users as mixtures of intents, items as aggregates over relational paths of the graph."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.encoders.knowledge import both_ways, sums_by_entity
from mmrec.nn.item_nodes import graph_of_items
from mmrec.nn.propagation import Propagation, csr_matrix
from mmrec.types import DatasetSpec, Graph


class KGINRecommender(GradientRecommender):
    """Knowledge graph-based intent network (Wang et al. 2021), including inverse relations.

        e_p = Σ_r α(r,p) e_r,   α(·,p) = softmax(w_p)                                   intents (eq. 1, 2)
        e_v' = 1/|N_v| Σ_{(r,t) ∈ N_v} e_r ⊙ e_t                                        items and entities (eq. 8, 9)
        e_u' = 1/|N_u| Σ_{i ∈ N_u} Σ_p β(u,p) e_p ⊙ e_i,   β(u,·) = softmax(e_pᵀ e_u⁰)   users (eq. 5, 7, 10)
        e* = e⁰ + e¹ + … + e^L,   score = e*_u · e*_i                                   (eq. 12, 13)

    As in the authors' code, each layer ends with dropout, enters e* with unit length, and passes the normalised vectors to the next layer.
    Two terms are added to the ranking loss: `independence` times the distance correlation of all pairs of intents (eq. 4), and
    `regularization` times the squared norms (eq. 15). The random removal of half of the edges in the authors' code is left out.

    Messages are summed by relation by one sparse product, multiplied by e_r in blocks, and summed by entity by a second one, so that no
    tensor has a row per edge.

    Args:
        spec: the training data, with a graph.
        embedding_dim: the size of vectors.
        n_layers: the number of layers.
        n_intents: the number of intents.
        dropout: the dropout probability.
        independence: the weight of the distance correlation of intents.
        regularization: the weight of the L2 penalty.
    """

    ranks_new_items = True
    item_node: Int64[Tensor, " n_items"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 3,
        n_intents: int = 4,
        dropout: float = 0.1,
        independence: float = 0.0001,
        regularization: float = 0.00001,
    ) -> None:
        super().__init__(spec)
        if min(embedding_dim, n_layers, n_intents) < 1:
            raise ValueError("embedding_dim, n_layers and n_intents: expected at least 1 each")
        graph = graph_of_items(spec)
        self.n_layers, self.independence, self.regularization = n_layers, independence, regularization
        self.users, self.nodes = (nn.Embedding(n, embedding_dim) for n in (spec.n_users, graph.n_entities))
        self.relations = nn.Parameter(torch.empty(2 * graph.n_relations, embedding_dim))
        self.intent_weights = nn.Parameter(torch.empty(n_intents, 2 * graph.n_relations))
        for weight in (self.users.weight, self.nodes.weight, self.relations, self.intent_weights):
            nn.init.xavier_uniform_(weight)
        messages, sums, self.block_sizes = _relation_means(graph)
        self.messages, self.sums = Propagation(messages, symmetric=False), Propagation(sums, symmetric=False)
        self.liked = Propagation(_mean_of_history(spec, graph), symmetric=False)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("item_node", graph.item_entity, persistent=False)

    def intents(self) -> Float[Tensor, "n_intents dim"]:
        """e_p of eq. 1."""
        return self.intent_weights.softmax(dim=1) @ self.relations

    def aggregate(self, nodes: Float[Tensor, "n_nodes dim"]) -> Float[Tensor, "n_nodes dim"]:
        """The relational path-aware aggregation of eq. 8 over all nodes; zero for nodes without neighbours."""
        blocks = self.messages(nodes).split(self.block_sizes)
        summed: Tensor = self.sums(torch.cat([block * relation for block, relation in zip(blocks, self.relations, strict=True)]))
        return summed

    def encode(self, intents: Float[Tensor, "n_intents dim"]) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """e* of all users and items."""
        users, nodes = self.users.weight, self.nodes.weight
        profile = (users @ intents.T).softmax(dim=1) @ intents  # Σ_p β(u,p) e_p is constant over a user's items
        all_users, all_nodes = users, nodes
        for _ in range(self.n_layers):
            layer_users, layer_nodes = profile * self.liked(nodes), self.aggregate(nodes)
            nodes = F.normalize(self.dropout(layer_nodes), dim=1)
            all_users = all_users + F.normalize(self.dropout(layer_users), dim=1)
            all_nodes = all_nodes + nodes
        return all_users, F.embedding(self.item_node, all_nodes)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        intents = self.intents()
        scores = BatchVectors.look_up(*self.encode(intents), batch).regularized(batch.row, self.regularization)
        return scores._replace(extra=scores.extra + self.independence * distance_correlation(intents))

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """Compute e*. Users without training interactions get the mean vector of the others."""
        self.eval()
        return self.freeze_vectors(*self.encode(self.intents()))


def distance_correlation(vectors: Float[Tensor, "n dim"], epsilon: float = 1e-8) -> Float[Tensor, ""]:
    """The sum over all pairs of `dCov(a, b) / √(dVar a · dVar b)` (Székely et al. 2007, def. 3), with dimensions as samples.

    A pair contributes 0 if independent and 1 if equal up to scale. `epsilon` under the roots keeps gradients finite.
    """
    distance = (vectors[:, :, None] - vectors[:, None, :]).abs()
    centred = distance - distance.mean(dim=1, keepdim=True) - distance.mean(dim=2, keepdim=True) + distance.mean(dim=(1, 2), keepdim=True)
    squared = torch.einsum("aij,bij->ab", centred, centred) / vectors.shape[1] ** 2
    covariance = (squared.clamp(min=0) + epsilon).sqrt()
    variance = covariance.diagonal()
    return (covariance / (variance[:, None] * variance).sqrt()).triu(diagonal=1).sum()


def _relation_means(graph: Graph) -> tuple[Tensor, Tensor, list[int]]:
    """Messages (n_pairs, n_nodes) to each (relation, node) pair with weight 1 / |N_v|; sums (n_nodes, n_pairs); block sizes by relation."""
    head, relation, tail = both_ways(graph)  # heads aggregate their tails, and tails their heads by inverse relations
    pairs, pair = torch.unique(relation * graph.n_entities + head, return_inverse=True)
    share = torch.bincount(head, minlength=graph.n_entities)[head].float().reciprocal()
    messages = csr_matrix(pair, tail, share, (len(pairs), graph.n_entities))
    return messages, *sums_by_entity(pairs, graph.n_entities, n_blocks=2 * graph.n_relations)


def _mean_of_history(spec: DatasetSpec, graph: Graph) -> Tensor:
    """The matrix (n_users, n_nodes) with 1 / n at the nodes of each user's n distinct items."""
    owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    user, item = owned.rows(torch.arange(spec.n_users))
    return csr_matrix(user, graph.item_entity[item], owned.degree[user].float().reciprocal(), (spec.n_users, graph.n_entities))
