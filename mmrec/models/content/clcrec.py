"""CLCRec: a contrastive loss aligns content vectors with collaborative vectors."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.losses import sampled_softmax
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.item_content import ItemContent
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.types import DatasetSpec


class CLCRec(GradientRecommender):
    """Scores `z_u · z_i`, and `z_u · f(content_i)` for new items, all with unit length.

    Wei et al. 2021, "Contrastive Learning for Cold-Start Recommendation". Minimises `share L_RE + (1 - share) L_UI`: L_RE contrasts the
    content vector of an item's own z_i with those of negatives; L_UI contrasts a user's positive with negatives, where a fraction
    `replaced` of all items is represented by content (hybrid training). Both are softmax losses. f has a hidden layer of `hidden_dim` and a
    linear one.

    Args:
        spec: the training data, with content.
        embedding_dim: the size of z.
        hidden_dim: the size of the hidden layer of f.
        share: the weight of L_RE, from 0 to 1.
        replaced: the fraction of items represented by content in L_UI.
        temperature: of both softmax losses.
        sources: modalities, `kg` and `words`. None: all that the data have.
    """

    ranks_new_items = True

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        hidden_dim: int = 128,
        share: float = 0.5,
        replaced: float = 0.5,
        temperature: float = 0.2,
        sources: list[str] | None = None,
    ) -> None:
        super().__init__(spec)
        self.share, self.replaced, self.temperature = share, replaced, temperature
        self.users, self.items = (nn.Parameter(0.1 * torch.randn(n, embedding_dim)) for n in (spec.n_users, spec.n_items))
        self.content = ItemContent(read_content(spec, sources), hidden_dim)
        self.of_content = nn.Sequential(nn.LeakyReLU(), nn.Linear(hidden_dim, embedding_dim))

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        users, items, shown = F.normalize(self.users, dim=1), F.normalize(self.items, dim=1), self._shown()
        by_content = torch.rand(len(items), generator=generator).to(items.device) < self.replaced
        mixed = torch.where(by_content[:, None], shown, items)
        positive, negative = BatchVectors.look_up(users, mixed, batch).scores(batch.row)
        of_users = sampled_softmax(positive, batch.row, negative, batch.valid, self.temperature)
        anchors = F.embedding(batch.item_idx, items)
        others = F.embedding(batch.negatives, shown)
        against = anchors @ others.T if others.ndim == 2 else torch.einsum("nd,nkd->nk", anchors, others.index_select(0, batch.row))
        own = (anchors * F.embedding(batch.item_idx, shown)).sum(dim=1)
        each, valid = torch.arange(len(own), device=own.device), batch.valid[batch.row]
        of_items = sampled_softmax(own, each, against, valid, self.temperature)
        loss = self.share * of_items + (1 - self.share) * of_users
        return TrainScores(positive.new_zeros(0), negative.new_zeros(batch.valid.shape), loss)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        items = torch.where(self.known_items[:, None], F.normalize(self.items, dim=1), self._shown())
        return self.freeze_vectors(F.normalize(self.users, dim=1), items)

    def _shown(self) -> Float[Tensor, "n_items dim"]:
        return F.normalize(self.of_content(self.content()), dim=1)
