"""BM3: users and items learn to predict each other, and items their own features, from views of themselves; without negatives."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.data.sample import TrainBatch
from mmrec.models.recommender import FrozenScorer, Recommender, TrainScores
from mmrec.models.scores import freeze_vectors, occurring
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.item_features import ItemFeatures
from mmrec.nn.look_up import look_up
from mmrec.types import DatasetSpec

_SHORTEST = 1e-8
"""Below this length a vector has no direction."""


class BM3(Recommender):
    """Bootstrapped multimodal model (Zhou et al. 2023, section 3). Scores are `p(h_u) · p(h_i)`, p being a linear predictor, h_u LightGCN's
    vector of the user and h_i that of the item plus its free one. There are no negatives; with `C(a, b) = -cos(a, sg(b))`, sg stopping the
    gradient, ḣ a target view, h under `dropout`, and `h_m = W_m e + b_m`, the loss over the interactions of a batch is the mean of

        C(p(h_u), ḣ_i) + C(p(h_i), ḣ_u)                  reconstruction of the graph
        + content_weight Σ_m C(p(h_m), ḣ_i)              alignment of the modalities with the item
        + content_weight Σ_m C(p(h_m), ḣ_m)              masking within a modality
        + regularization (‖h_u‖² + ‖h_i‖²)

    The sums over modalities go over the items that have them. Features shape what p and h become and are no part of the score: a cold item
    has no vector but the one it was drawn as, and is taken for zero.
    """

    modalities = ()

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int,
        n_layers: int,
        init_scale: float,
        dropout: float,
        content_weight: float,
        regularization: float,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 up to, not including, 1, came {dropout}")
        self.dropout, self.content_weight, self.regularization = dropout, content_weight, regularization
        self.features = ItemFeatures(spec.features, "bm3")
        self.behaviour = LightGCN(spec, embedding_dim, n_layers, init_scale)
        self.predictor = nn.Linear(embedding_dim, embedding_dim)
        self.projections = nn.ModuleDict({name: nn.Linear(dim, embedding_dim) for name, dim in self.features.dims.items()})
        for layer in (self.predictor, *self.projections.values()):
            nn.init.xavier_normal_(layer.weight)
        self.register_buffer("known_users", occurring(spec.train.user_idx, spec.n_users), persistent=False)
        self.register_buffer("known_items", occurring(spec.train.item_idx, spec.n_items), persistent=False)

    def encode(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """h of all users and items."""
        users, items = self.behaviour()
        return users, items + self.behaviour.embedding.weight[len(users) :]

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        """No scores, and the whole loss as `extra`."""
        all_users, all_items = self.encode()
        users, items = look_up(all_users, batch.user_idx[batch.row]), look_up(all_items, batch.item_idx)
        item_views = self._view(items)
        loss = _bootstrap(self.predictor(users), item_views) + _bootstrap(self.predictor(items), self._view(users))
        for name, projection in self.projections.items():
            (shown,), has = self.features.project(name, projection, batch.item_idx), self.features.present(name)[batch.item_idx]
            both = item_views + self._view(shown)  # the sum of two cosines is one product with the sum of unit vectors
            loss = loss + self.content_weight * _bootstrap(self.predictor(shown), both, has)
        norm = (users.float().pow(2).sum() + items.float().pow(2).sum()) / max(1, len(items))
        none = loss.new_zeros(0)
        return TrainScores(none, loss.new_zeros(batch.valid.shape), loss + self.regularization * norm)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        users, items = (self.predictor(vectors) for vectors in self.encode())
        return freeze_vectors(users, torch.where(self.known_items[:, None], items, 0.0), self.known_users)

    def _view(self, vectors: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        """A target: the directions of the same under dropout, through which no gradient flows."""
        vectors = vectors.detach().float()
        kept = torch.rand_like(vectors).ge_(self.dropout)  # on a CPU far faster than `dropout`, whose scale a direction does not show
        return F.normalize(vectors * kept, eps=_SHORTEST)


def _bootstrap(online: Float[Tensor, "n dim"], target: Float[Tensor, "n dim"], has: Bool[Tensor, " n"] | None = None) -> Float[Tensor, ""]:
    """The mean of -cos(online, target) over the rows that have what is compared, for targets of unit length; 0 where none has."""
    online = online.float()
    cosine = (online * target).sum(dim=1) * online.square().sum(dim=1).clamp(min=_SHORTEST**2).rsqrt()
    counted = torch.ones_like(cosine) if has is None else has.to(cosine.dtype)
    return -(cosine * counted).sum() / counted.sum().clamp(min=1)
