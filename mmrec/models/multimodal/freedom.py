"""FREEDOM: a frozen graph of similar items beside a user-item graph that is thinned out anew in every epoch."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.behaviour import BehaviourRecommender
from mmrec.models.recommender import EpochRecommender, FrozenScorer, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.item_features import ItemFeatures
from mmrec.nn.item_graph import binary_graph, mixed_graph
from mmrec.nn.look_up import look_up
from mmrec.nn.propagation import Propagation, normalized_bipartite
from mmrec.types import IMAGE, TEXT, DatasetSpec

_WEIGHTS = {TEXT: 0.9, IMAGE: 0.1}


class FREEDOM(BehaviourRecommender, EpochRecommender):
    """`x̂_i = x̄_i + S x_i` against `x̄_u` (Zhou & Shen 2023, section 3), x̄ being LightGCN's vectors and x the items' free ones.

    S = Σ_m α_m S_m is frozen: S_m has weight 1 from an item to each of the `n_neighbours` of highest cosine, itself among them, and is
    normalised as D^-1/2 S D^-1/2. α are `modality_weights`, made to sum to 1 over the modalities that an item has. In training x̄ comes
    from a graph that keeps `1 - edge_dropout` of the interactions, see `sample_edges`; in ranking from all of them.

    Beside BPR of these scores stands `content_weight` times BPR of `x̄_u · (W_m e_i + b_m)`, for each modality over the pairs that have it.

    A cold item has the vectors of the items that it is like, and a share of its own, which is what it was drawn as.
    """

    ranks_new_items = True
    kept: Bool[Tensor, " n_edges"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 2,
        init_scale: float = 0.1,
        n_neighbours: int = 10,
        modality_weights: dict[str, float] = _WEIGHTS,
        edge_dropout: float = 0.8,
        content_weight: float = 0.001,
    ) -> None:
        super().__init__(spec, embedding_dim, n_layers, init_scale)
        if not 0 <= edge_dropout < 1:
            raise ValueError(f"edge_dropout: expected a share from 0 up to, not including, 1, came {edge_dropout}")
        self.edge_dropout, self.content_weight = edge_dropout, content_weight
        self.whole = self.behaviour.propagation
        self.edges = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        self.register_buffer("kept", torch.ones(len(self.edges.indices), dtype=torch.bool))
        self.register_load_state_dict_post_hook(lambda module, _: module._thin_out())
        graphs = [binary_graph(values, present, n_neighbours) for _, values, present in self.features.items()]
        self.similar = Propagation(mixed_graph(graphs, _shares(self.features, modality_weights)), symmetric=False)
        self.projections = nn.ModuleDict({name: nn.Linear(dim, embedding_dim) for name, dim in self.features.dims.items()})

    def start_epoch(self, generator: torch.Generator) -> None:
        if self.edge_dropout:
            n_kept = int(len(self.kept) * (1 - self.edge_dropout))
            self.kept.zero_()[sample_edges(self.edges, n_kept, generator).to(self.kept.device)] = True
            self._thin_out()

    def encode(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """The vectors of users and items, by the user-item graph that is in use."""
        users, items = self.behaviour()
        return users, items + self.similar(self.behaviour.embedding.weight[len(users) :])

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        users, items = self.encode()
        vectors = BatchVectors.look_up(users, items, batch)
        losses = (self._content_loss(vectors.users, batch, name) for name in self.features.names)
        of_content = sum(losses, start=users.new_zeros(()))
        return TrainScores(*vectors.scores(batch.row), self.content_weight * of_content)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        sampled, self.behaviour.propagation = self.behaviour.propagation, self.whole
        users, items = self.encode()
        self.behaviour.propagation = sampled  # training goes on with the graph of its epoch
        return self.freeze_vectors(users, items)

    def _thin_out(self) -> None:
        """Trains by the edges that are kept from here on."""
        user, item = self.edges.rows(torch.arange(self.edges.n_users))
        kept = self.kept.cpu()
        adjacency = normalized_bipartite(user[kept], item[kept], self.edges.n_users, self.edges.n_items)
        self.behaviour.propagation = Propagation(adjacency, symmetric=True).to(self.kept.device)

    def _content_loss(self, users: Float[Tensor, "rows dim"], batch: TrainBatch, name: str) -> Float[Tensor, ""]:
        """BPR of the users' products with what a modality says of the items."""
        present = self.features.present(name)
        positives, negatives = self.features.project(name, self.projections[name], batch.item_idx, batch.negatives)
        positive, negative = BatchVectors(users, positives, negatives).scores(batch.row)
        has = present[batch.item_idx]  # a weight: taking these rows alone would make a GPU wait for their number
        counted = (batch.valid & present[batch.negatives])[batch.row] * has[:, None]
        losses = (F.softplus(look_up(negative, batch.row) - positive[:, None]) * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
        return losses.sum() / has.sum().clamp(min=1)


def sample_edges(edges: InteractionMatrix, n_kept: int, generator: torch.Generator) -> Int64[Tensor, " n_kept"]:
    """Places of `n_kept` distinct interactions, each drawn with probability in proportion to `1 / (√d_u √d_i)` of what is left.

    Drawn as those with the smallest of exponential times, whose rates are the weights (Efraimidis & Spirakis 2006).
    """
    user, item = edges.rows(torch.arange(edges.n_users))
    weight = (edges.degree[user] * edges.item_degree[item]).double().rsqrt()
    times = torch.empty(len(weight), dtype=torch.float64).exponential_(generator=generator) / weight
    return times.topk(n_kept, largest=False).indices


def _shares(features: ItemFeatures, weights: dict[str, float]) -> list[Float[Tensor, " n_items"]]:
    """The weight of each modality in each item, 1 in sum over those that the item has."""
    if missing := [name for name in features.names if name not in weights]:
        raise ValueError(f"modality_weights: {missing[0]} has none; set it as modality_weights.{missing[0]}")
    if min(weights[name] for name in features.names) <= 0:
        raise ValueError(f"modality_weights: expected weights above 0, came {weights}")
    parts = [weights[name] * features.present(name).float() for name in features.names]
    total = torch.stack(parts).sum(dim=0).clamp(min=1e-12)
    return [part / total for part in parts]
