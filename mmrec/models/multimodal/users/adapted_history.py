"""Histories of few items, from which a part that learns over many users computes the user's vector."""

from dataclasses import replace
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.given_items import draw_given
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.fold_in import sums_of_items
from mmrec.models.multimodal.users.user_history import HistoryScores, UserHistory
from mmrec.nn.few_shot.adaptation import Adaptation
from mmrec.nn.look_up import rows_of
from mmrec.nn.shallow_copy import shallow_copy
from mmrec.types import DatasetSpec


class AdaptedHistory(UserHistory):
    """Represents users by what an `Adaptation` makes of the mean of their items' unit vectors.

    In training, every user is a task: from 1 to `max_given` of their positives are given at random, and only the others are scored. Users
    with a single positive are left out. Negatives of the adaptation are items of the batch's pool; after training, a fixed sample of the
    items with training interactions.

    Args:
        spec: the training data.
        adaptation: computes vectors of users.
        seed: of the fixed sample.
    """

    pool: Int64[Tensor, " n_negatives"]

    def __init__(self, spec: DatasetSpec, adaptation: Adaptation, seed: int = 0) -> None:
        super().__init__()
        self.adaptation = adaptation
        self.trained = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        candidates = self.trained.item_degree.nonzero().flatten()
        order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))
        self.register_buffer("pool", candidates[order[: adaptation.n_negatives]].sort().values, persistent=False)

    def users(self, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        return self._of_matrix(self.trained.to(items.device), items)

    def of(self, histories: Histories, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_histories dim"]:
        return self._of_matrix(histories.matrix(len(items)), items)

    def extended(self, n_items: int) -> Self:
        made = shallow_copy(self)
        made.trained = replace(self.trained, n_items=n_items)
        return made

    def owned(self) -> None:
        return None

    def _of_matrix(self, owned: InteractionMatrix, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        units = F.normalize(items.float(), dim=1)
        means = sums_of_items(owned, units) / owned.degree.clamp(min=1)[:, None]
        found: Tensor = self.adaptation(means, rows_of(units, self.pool))
        return torch.where(owned.degree[:, None] > 0, found, 0.0)

    def score(
        self, items: Float[Tensor, "n_items dim"], bias: Float[Tensor, " n_items"], batch: TrainBatch, dropout: float
    ) -> HistoryScores:
        """As `UserHistory.score`, of the positives that are not given; `dropout` is not used."""
        numbered, units = batch.renumbered(), F.normalize(items.float(), dim=1)
        given = draw_given(batch, self.adaptation.max_given)
        is_given, query = given.is_given, given.is_query
        liked, row = rows_of(units, numbered.item_idx), batch.row
        support = units.new_zeros(len(batch.user_idx), units.shape[1]).index_add(0, row[is_given], liked[is_given])
        negatives = rows_of(units, numbered.negatives)
        pool = negatives.flatten(0, -2)[: self.adaptation.n_negatives]  # their order is random
        with torch.autocast(units.device.type, enabled=False):  # as when scoring; there is no solver for bfloat16
            users: Tensor = self.adaptation(support / given.counts.clamp(min=1)[:, None], pool)
        row = row[query]
        positive = (rows_of(users, row) * liked[query]).sum(dim=1) + rows_of(bias, numbered.item_idx[query])
        negative = users @ negatives.T if negatives.ndim == 2 else torch.einsum("bd,bnd->bn", users, negatives)
        return HistoryScores(positive.float(), (negative + rows_of(bias, numbered.negatives)).float(), row)
