"""MGCN: modality features are purified by behaviour, propagated over similar items, and fused according to behavioural preferences."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.behaviour import BehaviourRecommender
from mmrec.models.recommender import FrozenScorer, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.item_graph import cosine_graph
from mmrec.nn.propagation import Propagation, csr_matrix
from mmrec.types import DatasetSpec


class MGCN(BehaviourRecommender):
    """Multi-view graph convolutional network (Yu et al. 2023, section 3). With the free item vectors e and LightGCN's vectors ē:

        behaviour-guided purifier    ë_im = e_i ⊙ σ(W₂ (W₁ f_im + b₁) + b₂)
        item-item view               ē_im = Σ_j S_m,ij ë_jm         S_m: the normalised cosines of the `n_neighbours` nearest items
        user view                    ē_um = Σ_i R_ui ē_im           R_ui = 1 / (√d_u √d_i) over the user's items
        behaviour-aware fuser        E = Σ_m a_m ē_m                the shared part; a = softmax over m of qᵀ tanh(W₃ ē_m + b₃)
                                     P_m = σ(W₄ ē + b₄)             behavioural preferences
                                     z = (E + Σ_m P_m ⊙ (ē_m - E)) / (1 + M)
        score                        (ē_u + z_u) · (ē_i + z_i)

    Trained by BPR plus `contrastive_weight` times InfoNCE (see `contrast`) between z and ē, for the users and positives of a batch. Sums
    over m include the M modalities that the item, or any item of the user, has. In z, new items have the purified vectors of their
    neighbours.

    Args:
        spec: the training data, with features.
        embedding_dim: the size of vectors.
        n_layers: propagation steps of LightGCN.
        init_scale: the standard deviation of the initialisation.
        n_neighbours: the neighbours per item and modality.
        contrastive_weight: the weight of the contrastive loss.
        temperature: of the contrastive loss.
        regularization: the weight of the L2 penalty on the scored vectors of a batch.
    """

    ranks_new_items = True
    present: Bool[Tensor, "n_nodes modalities"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 2,
        init_scale: float = 0.1,
        n_neighbours: int = 10,
        contrastive_weight: float = 0.01,
        temperature: float = 0.2,
        regularization: float = 0.0001,
    ) -> None:
        super().__init__(spec, embedding_dim, n_layers, init_scale)
        if temperature <= 0:
            raise ValueError(f"temperature: expected a number above 0, found {temperature}")
        self.contrastive_weight, self.temperature, self.regularization = contrastive_weight, temperature, regularization
        self.of_users = Propagation(_shared_weights(spec), symmetric=False)
        self.similar, self.purifiers, self.preferences = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for name, values, present in self.features.items():
            self.similar[name] = Propagation(cosine_graph(values, present, n_neighbours), symmetric=False)
            project, gate = nn.Linear(values.shape[1], embedding_dim), nn.Linear(embedding_dim, embedding_dim)
            self.purifiers[name] = nn.Sequential(project, gate, nn.Sigmoid())
            self.preferences[name] = nn.Sequential(nn.Linear(embedding_dim, embedding_dim), nn.Sigmoid())
        self.query = nn.Sequential(nn.Linear(embedding_dim, embedding_dim), nn.Tanh(), nn.Linear(embedding_dim, 1, bias=False))
        has = torch.stack([self.features.present(name) for name in self.features.names], dim=1)
        self.register_buffer("present", torch.cat([self.of_users(has.float()) > 0, has]), persistent=False)

    def encode(self) -> tuple[Float[Tensor, "n_nodes dim"], Float[Tensor, "n_nodes dim"]]:
        """ē and z of all users, followed by all items."""
        users, items = self.behaviour()
        own = self.behaviour.embedding.weight[len(users) :]
        views = []
        for name, values, present in self.features.items():
            purified = torch.where(present[:, None], own * self.purifiers[name](values), 0.0)
            of_items = self.similar[name](purified)
            views.append(torch.cat([self.of_users(of_items), of_items]))
        behaviour = torch.cat([users, items])
        return behaviour, self.fuse(behaviour, torch.stack(views, dim=1))

    def fuse(self, behaviour: Float[Tensor, "n_nodes dim"], views: Float[Tensor, "n_nodes modalities dim"]) -> Float[Tensor, "n_nodes dim"]:
        """z: the shared part of the views, plus the specific part of each, weighted by behavioural preferences."""
        has = self.present[..., None].to(views.dtype)
        attention: Tensor = self.query(views).masked_fill(~self.present[..., None], -1e9).softmax(dim=1) * has
        shared = (attention * views).sum(dim=1)
        preferred = torch.stack([gate(behaviour) for gate in self.preferences.values()], dim=1)
        apart = preferred * (views - shared[:, None]) * has
        return (shared + apart.sum(dim=1)) / (1 + has.sum(dim=1))

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        behaviour, content = self.encode()
        vectors, seen, shown = (self._look_up(nodes, batch) for nodes in (behaviour + content, behaviour, content))
        of_users, of_items = (contrast(*pair, self.temperature) for pair in ((shown.users, seen.users), (shown.positives, seen.positives)))
        contrastive = self.contrastive_weight * (of_users + of_items)
        return TrainScores(*vectors.scores(batch.row), contrastive + self.regularization * vectors.squared_norm())

    def _look_up(self, nodes: Float[Tensor, "n_nodes dim"], batch: TrainBatch) -> BatchVectors:
        users, items = nodes.split(self.behaviour.sizes)
        return BatchVectors.look_up(users, items, batch)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        behaviour, content = self.encode()
        return self.freeze_vectors(*(behaviour + content).split(self.behaviour.sizes))


def contrast(one: Float[Tensor, "n dim"], other: Float[Tensor, "n dim"], temperature: float) -> Float[Tensor, ""]:
    """InfoNCE: the mean of `-ln (e^{cos(a_k, b_k)/τ} / Σ_l e^{cos(a_k, b_l)/τ})` over rows, with memory quadratic in their number."""
    if not len(one):
        return one.sum()
    logits = F.normalize(one.float()) @ F.normalize(other.float()).T / temperature
    return F.cross_entropy(logits, torch.arange(len(one), device=one.device))


def _shared_weights(spec: DatasetSpec) -> Tensor:
    """R, (n_users, n_items) in CSR: 1 / (√d_u √d_i) for each item of a user."""
    owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    user, item = owned.rows(torch.arange(spec.n_users))
    return csr_matrix(user, item, (owned.degree[user] * owned.item_degree[item]).float().rsqrt(), (spec.n_users, spec.n_items))
