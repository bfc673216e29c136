"""BPR-MF: matrix factorisation that learns to order pairs of items."""

from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.negatives import sample_rejecting
from mmrec.models.closed_form.baseline import Baseline, interaction_matrix
from mmrec.models.closed_form.factors import Factors
from mmrec.types import DatasetSpec

_BATCH_TRIPLES, _INIT_SCALE = 2048, 0.1


class BPRMF(Baseline):
    """Maximises `Σ ln σ(s_ui - s_uj) - regularization ‖Θ_uij‖²`, `s_ui = p_u·q_i + b_i`, over triples of a user, one of their items i and
    an item j that they have not (Rendle et al. 2009, BPR-OPT). An epoch takes every interaction once, with a j drawn uniformly from the
    training items that are not the user's; Adam in place of LearnBPR's plain steps. On the CPU.
    """

    def __init__(self, embedding_dim: int, learning_rate: float, regularization: float, n_epochs: int, seed: int) -> None:
        self.embedding_dim, self.learning_rate, self.regularization = embedding_dim, learning_rate, regularization
        self.n_epochs, self.seed = n_epochs, seed

    def fit(self, spec: DatasetSpec) -> Self:
        train = interaction_matrix(spec)
        generator = torch.Generator().manual_seed(self.seed)
        users = _INIT_SCALE * torch.randn(spec.n_users, self.embedding_dim, generator=generator)
        items = _INIT_SCALE * torch.randn(spec.n_items, self.embedding_dim + 1, generator=generator)
        items[:, -1] = 0  # the bias of an item: the weight of a last dimension in which every user is 1
        optimizer = torch.optim.Adam([users.requires_grad_(), items.requires_grad_()], lr=self.learning_rate)
        warm = train.item_degree.nonzero().flatten()
        learning = (train.degree < len(warm)).nonzero().flatten()  # who has every item has no j
        row, item = train.rows(learning)
        user = learning[row]
        for _ in range(self.n_epochs if len(user) else 0):
            negative = sample_rejecting(train, user, 1, warm, generator)[:, 0]
            for batch in torch.randperm(len(user), generator=generator).split(_BATCH_TRIPLES):
                optimizer.zero_grad()
                rows = (users, user), (items, item), (items, negative)  # index_select: the backward of `[]` adds up in no fixed order
                self._loss(*(table.index_select(0, index[batch]) for table, index in rows)).backward()
                optimizer.step()
        with torch.no_grad():
            self._factors = Factors(torch.cat([users, torch.ones(spec.n_users, 1)], dim=1), items.detach(), train)
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._factors.score(user_idx)

    def _loss(self, user: Float[Tensor, "n dim"], positive: Float[Tensor, "n dim_1"], negative: Float[Tensor, "n dim_1"]) -> Tensor:
        difference = positive - negative
        margin = (user * difference[:, :-1]).sum(dim=1) + difference[:, -1]
        penalty = sum(part.square().sum(dim=1) for part in (user, positive, negative))
        return (F.softplus(-margin) + self.regularization * penalty).mean()
