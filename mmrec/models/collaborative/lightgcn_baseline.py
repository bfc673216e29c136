"""LightGCN alone: the collaborative backbone without content, trained by the plainest loop there is."""

from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch, TrainBatches
from mmrec.losses import sampled_softmax
from mmrec.models.closed_form.baseline import Baseline, interaction_matrix
from mmrec.models.closed_form.factors import Factors
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.types import DatasetSpec

_BATCH_USERS, _N_NEGATIVES, _INIT_SCALE = 128, 4096, 0.1


class LightGCNBaseline(Baseline):
    """Scores are cosines of LightGCN's vectors (He et al. 2020), learned by Adam on the softmax of `cosine / temperature` of users'
    positives against negatives that a batch shares, for `n_epochs`: the SSM loss (Wu et al. 2022, "On the Effectiveness of
    Sampled Softmax Loss for Item Recommendation"), in place of the paper's BPR loss. On the CPU.
    """

    def __init__(self, embedding_dim: int, n_layers: int, learning_rate: float, temperature: float, n_epochs: int, seed: int) -> None:
        self.embedding_dim, self.n_layers, self.seed = embedding_dim, n_layers, seed
        self.learning_rate, self.temperature, self.n_epochs = learning_rate, temperature, n_epochs

    def fit(self, spec: DatasetSpec) -> Self:
        train = interaction_matrix(spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = LightGCN(spec, self.embedding_dim, self.n_layers, _INIT_SCALE)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        epoch = 0
        batches = TrainBatches(train, _BATCH_USERS, _N_NEGATIVES, shared=True, seed=self.seed, epoch=lambda: epoch)
        for epoch in range(self.n_epochs):  # noqa: B007  the batches ask for it
            for batch in batches:
                optimizer.zero_grad()
                self._loss(model, batch).backward()
                optimizer.step()
        with torch.no_grad():
            self._factors = Factors(*_directions(model), train)
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._factors.score(user_idx)

    def _loss(self, model: LightGCN, batch: TrainBatch) -> Float[Tensor, ""]:
        users, items = _directions(model)
        mine = users.index_select(0, batch.user_idx)  # the backward of `[]` would add up in no fixed order
        positive = (mine.index_select(0, batch.row) * items.index_select(0, batch.item_idx)).sum(dim=1)
        return sampled_softmax(positive, batch.row, mine @ items.index_select(0, batch.negatives).T, batch.valid, self.temperature)


def _directions(model: LightGCN) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
    """The vectors of users and items at length 1."""
    users, items = model()
    return F.normalize(users, dim=1), F.normalize(items, dim=1)
