"""LightGCN trained as by its authors: a pairwise ranking loss over propagated vectors, with L2 regularization of the free vectors."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.types import DatasetSpec


class LightGCNRecommender(GradientRecommender):
    """Scores `e_u·e_i` of vectors propagated over the training graph (He et al. 2020, eq. 4 and 8 with equal layer weights).

    Adds `regularization · ½ Σ ‖E⁰‖² / n` to the ranking loss, over the free vectors of users, positives and negatives for the n positives
    of a batch (eq. 15, with the factor ½ and the mean of the authors' code, whose `regularization` is 1e-4). The paper uses the BPR loss
    over single interactions with one negative each. With `cosine`, scores are cosines of the vectors, for the loss sampled_softmax at a low
    temperature (SSM, Wu et al. 2022, "On the Effectiveness of Sampled Softmax Loss for Item Recommendation").

    Args:
        spec: the training data.
        embedding_dim: the size of vectors.
        n_layers: propagation steps.
        init_scale: the standard deviation of the initialisation.
        regularization: the weight of the L2 penalty.
        cosine: whether scores are cosines rather than inner products.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 3,
        init_scale: float = 0.1,
        regularization: float = 0.0001,
        cosine: bool = False,
    ) -> None:
        super().__init__(spec)
        if embedding_dim < 1 or n_layers < 0:
            raise ValueError(f"embedding_dim and n_layers: expected at least 1 and 0, found {embedding_dim} and {n_layers}")
        if regularization < 0:
            raise ValueError(f"regularization: expected at least 0, found {regularization}")
        self.backbone, self.regularization = LightGCN(spec, embedding_dim, n_layers, init_scale), regularization
        self.cosine = cosine

    def encode(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """The propagated vectors of users and items, with unit length if `cosine`."""
        users, items = self.backbone()
        return (F.normalize(users, dim=1), F.normalize(items, dim=1)) if self.cosine else (users, items)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        positive, negative = BatchVectors.look_up(*self.encode(), batch).scores(batch.row)
        return TrainScores(positive, negative, self._penalty(batch))

    def _penalty(self, batch: TrainBatch) -> Float[Tensor, ""]:
        """The L2 penalty, in which vectors count as often as they occur: a pass over the table is cheaper than gathering its rows."""
        if not self.regularization:
            return self.backbone.embedding.weight.new_zeros(())
        free, (n_users, _) = self.backbone.embedding.weight, self.backbone.sizes
        rows = torch.cat([batch.user_idx, n_users + batch.item_idx, n_users + batch.negatives.flatten()])
        counts = free.new_zeros(len(free)).index_add_(0, rows, free.new_ones(len(rows)))  # bincount would synchronise with the GPU
        return 0.5 * self.regularization / max(len(batch.item_idx), 1) * (free.square().sum(dim=1) @ counts)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """Propagate the vectors. Users without training interactions get the mean vector of the others."""
        self.eval()
        return self.freeze_vectors(*self.encode())
