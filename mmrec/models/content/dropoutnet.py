"""DropoutNet: a network on factors and content that is trained to work without the factors."""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.closed_form.ials import IALS
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.item_content import ItemContent
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.types import DatasetSpec


class DropoutNet(GradientRecommender):
    """Scores `f_U(U_u) · f_V(V_i, content_i)`, trained to reproduce `U_u · V_i` while the factors of some items are hidden.

    Volkovs et al. 2017, "DropoutNet: Addressing Cold Start in Recommender Systems", eq. 2. The factors are those of iALS with its defaults;
    items without training interactions have none. f_U and f_V have a tanh hidden layer of `hidden_dim` and a linear one. The squared error
    is taken over the positive and negative pairs of a batch. Users have no content.

    Args:
        spec: the training data, with content.
        embedding_dim: the size of factors and outputs.
        hidden_dim: the size of hidden layers.
        dropout: the fraction of items whose factors are hidden in a step.
        sources: modalities, `kg` and `words`. None: all that the data have.
        seed: of iALS.
    """

    ranks_new_items = True
    user_factors: Tensor
    item_factors: Tensor

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        hidden_dim: int = 128,
        dropout: float = 0.5,
        sources: list[str] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(spec)
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout: expected a share from 0 to 1, found {dropout}")
        self.dropout = dropout
        content = read_content(spec, sources)
        factors = IALS(embedding_dim=embedding_dim, seed=seed).fit(spec)
        self.register_buffer("user_factors", factors.users)
        self.register_buffer("item_factors", torch.where(self.known_items[:, None], factors.items, 0.0))
        self.of_factors = nn.Linear(embedding_dim, hidden_dim)
        self.content = ItemContent(content, hidden_dim)
        self.of_item = nn.Sequential(nn.Tanh(), nn.Linear(hidden_dim, embedding_dim))
        self.of_user = nn.Sequential(nn.Linear(embedding_dim, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, embedding_dim))

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        kept = torch.rand(len(self.item_factors), generator=generator).to(self.item_factors.device) >= self.dropout
        positive, negative = self._vectors(kept, batch).scores(batch.row)
        wanted, wanted_negative = BatchVectors.look_up(self.user_factors, self.item_factors, batch).scores(batch.row)
        error = (positive - wanted).pow(2).sum() + ((negative - wanted_negative).pow(2) * batch.valid).sum()
        loss = error / (len(positive) + batch.valid.sum()).clamp(min=1)
        return TrainScores(positive.new_zeros(0), negative.new_zeros(batch.valid.shape), loss)

    def _vectors(self, kept: Bool[Tensor, " n_items"], batch: TrainBatch) -> BatchVectors:
        return BatchVectors.look_up(self.of_user(self.user_factors), self._items(kept), batch)

    def _items(self, kept: Bool[Tensor, " n_items"]) -> Float[Tensor, "n_items dim"]:
        items: Tensor = self.of_item(self.of_factors(self.item_factors * kept[:, None]) + self.content())
        return items

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        return self.freeze_vectors(self.of_user(self.user_factors), self._items(self.known_items))
