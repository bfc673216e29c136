"""BM3: self-supervised learning without negatives, in which users, items and features predict each other's dropout views."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.multimodal.behaviour import BehaviourRecommender
from mmrec.models.recommender import FrozenScorer, TrainScores
from mmrec.nn.keep_mask import keep_mask
from mmrec.nn.look_up import distinct, look_up
from mmrec.types import DatasetSpec

_SHORTEST = 1e-8
"""The length below which a vector has no direction."""


class BM3(BehaviourRecommender):
    """Bootstrapped multimodal model (Zhou et al. 2023, section 3). Scores are `p(h_u) · p(h_i)`, with p a linear predictor.

    h_u is LightGCN's vector of the user, and h_i that of the item plus its free vector. There are no negatives. With `C(a, b) = -cos(a,
    sg(b))`, sg the stop-gradient, ḣ a target view (h under `dropout`), and `h_m = W_m e + b_m`, the loss is the mean over the interactions
    of a batch of

        C(p(h_u), ḣ_i) + C(p(h_i), ḣ_u)                  reconstruction of the graph
        + content_weight Σ_m C(p(h_m), ḣ_i)              alignment of the modalities with the item
        + content_weight Σ_m C(p(h_m), ḣ_m)              masking within a modality
        + regularization (‖h_u‖² + ‖h_i‖²)

    Sums over modalities only include items that have them. Features influence p and h but are not part of the score: new items have only
    their untrained initial vector, which is replaced by zero.

    Args:
        spec: the training data, with features.
        embedding_dim: the size of vectors.
        n_layers: propagation steps of LightGCN.
        init_scale: the standard deviation of the initialisation.
        dropout: the dropout probability of target views.
        content_weight: the weight of both content losses.
        regularization: the weight of the L2 penalty.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 1,
        init_scale: float = 0.1,
        dropout: float = 0.3,
        content_weight: float = 2.0,
        regularization: float = 0.001,
    ) -> None:
        super().__init__(spec, embedding_dim, n_layers, init_scale)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 up to, not including, 1, found {dropout}")
        self.dropout, self.content_weight, self.regularization = dropout, content_weight, regularization
        self.predictor = nn.Linear(embedding_dim, embedding_dim)
        projections = {name: nn.Linear(dim, embedding_dim) for name, dim in self.features.dims.items()}
        self.projections = nn.ModuleDict(projections)
        for layer in (self.predictor, *projections.values()):
            nn.init.xavier_normal_(layer.weight)

    def encode(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """h of all users and items."""
        users, items = self.behaviour()
        return users, items + self.behaviour.embedding.weight[len(users) :]

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        """Return no scores, and the whole loss as `extra`.

        Only the views differ between interactions: everything else is computed once per distinct user and item, against the sum of its
        targets.
        """
        all_users, all_items = self.encode()
        user_idx, user = distinct(batch.user_idx[batch.row], len(all_users))
        item_idx, item = distinct(batch.item_idx, len(all_items))
        users, items = look_up(all_users, user_idx), look_up(all_items, item_idx)
        user_views, item_views = self._view(users, user), self._view(items, item)
        loss = _bootstrap(self.predictor(users), user, item_views) + _bootstrap(self.predictor(items), item, user_views)
        for name, projection in self.projections.items():
            (shown,), has = self.features.project(name, projection, item_idx), self.features.present(name)[batch.item_idx]
            targets = (item_views + self._view(shown, item)) * has[:, None]
            content = _bootstrap(self.predictor(shown), item, targets) * (len(item) / has.sum().clamp(min=1))
            loss = loss + self.content_weight * content
        norm = (_norms(users, user) + _norms(items, item)) / max(1, len(item))
        none = loss.new_zeros(0)
        return TrainScores(none, loss.new_zeros(batch.valid.shape), loss + self.regularization * norm)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        users, items = (self.predictor(vectors) for vectors in self.encode())
        return self.freeze_vectors(users, torch.where(self.known_items[:, None], items, 0.0))

    def _view(self, vectors: Float[Tensor, "n_distinct dim"], place: Int64[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Target views: the directions of the given rows, each with its own dropout, without gradients."""
        vectors = look_up(vectors.detach().float(), place)
        kept = vectors * keep_mask(vectors, self.dropout)  # without rescaling, which would not change the direction
        return F.normalize(kept, eps=_SHORTEST)


def _bootstrap(online: Float[Tensor, "n_distinct dim"], place: Int64[Tensor, " n"], targets: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
    """The mean over targets of unit length of -cos(online[place], target); targets may also be sums of such."""
    towards = torch.zeros_like(online, dtype=torch.float32).index_add_(0, place, targets)
    online = online.float()
    inverse_length = online.square().sum(dim=1).clamp(min=_SHORTEST**2).rsqrt()
    return -((online * towards).sum(dim=1) @ inverse_length) / max(1, len(targets))


def _norms(vectors: Float[Tensor, "n_distinct dim"], place: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """The sum of ‖v‖² over `place`, with repetitions."""
    times = torch.zeros(len(vectors), device=vectors.device).index_add_(0, place, torch.ones_like(place, dtype=torch.float32))
    return vectors.float().square().sum(dim=1) @ times
