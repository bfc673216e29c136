"""LightFM: matrix factorisation in which an item is the sum of its features."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.item_content import ItemContent
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.types import DatasetSpec


class LightFM(GradientRecommender):
    """Scores `q_u · p_i + b_i`, where p_i and b_i are sums over the item's features, including its identity.

    Kula 2015, "Metadata Embeddings for User and Item Cold-start Recommendations"; intended for the loss `warp`. Users have only an
    identity, and no bias, which would not affect rankings. Features are those of `read_content`; new items have no identity, which would be
    untrained.

    Args:
        spec: the training data, with content.
        embedding_dim: the size of vectors.
        init_scale: the standard deviation of the initialisation.
        regularization: the weight of the L2 penalty on the vectors of a batch, as in `BatchVectors`.
        sources: modalities, `kg` and `words`. None: all that the data have.
    """

    ranks_new_items = True

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        init_scale: float = 0.1,
        regularization: float = 0.0001,
        sources: list[str] | None = None,
    ) -> None:
        super().__init__(spec)
        self.regularization = regularization
        self.users = nn.Parameter(init_scale * torch.randn(spec.n_users, embedding_dim))
        self.identity = nn.Parameter(F.pad(init_scale * torch.randn(spec.n_items, embedding_dim), (0, 1)))
        self.content = ItemContent(read_content(spec, sources), embedding_dim + 1, init_scale)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        return BatchVectors.look_up(self._users(), self._items(), batch).regularized(batch.row, self.regularization)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        return self.freeze_vectors(self._users(), self._items())

    def _users(self) -> Float[Tensor, "n_users dim_plus_1"]:
        return F.pad(self.users, (0, 1), value=1.0)

    def _items(self) -> Float[Tensor, "n_items dim_plus_1"]:
        features: Tensor = self.content()
        return torch.where(self.known_items[:, None], self.identity, 0.0) + features
