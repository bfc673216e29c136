"""How the fusion model represents users by their items: equally, or with weights by age."""

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.fold_in import sums_of_items
from mmrec.models.multimodal.users.history_scores import score_with_history
from mmrec.nn.propagation import CsrBuffer, csr_matrix
from mmrec.nn.shallow_copy import shallow_copy
from mmrec.types import DatasetSpec


class HistoryScores(NamedTuple):
    """Scores of a training batch by histories."""

    positive: Float[Tensor, " n"]
    negative: Float[Tensor, "rows pool"]
    row: Int64[Tensor, " n"] | None = None
    """The row of `negative` for each positive; None: that of its user."""
    user: Int64[Tensor, " rows"] | None = None
    """The position of each row's user in the batch; None: one row for each user."""


class UserHistory(nn.Module, ABC):
    """Represents users by unit vectors, the normalised sums of the vectors of their items; zero without items."""

    @abstractmethod
    def users(self, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        """The vectors of the users of the training part."""

    @abstractmethod
    def of(self, histories: Histories, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_histories dim"]:
        """The vectors of users given by histories."""

    @abstractmethod
    def score(
        self, items: Float[Tensor, "n_items dim"], bias: Float[Tensor, " n_items"], batch: TrainBatch, dropout: float
    ) -> HistoryScores:
        """Score a training batch, each positive without itself in the history.

        Args:
            items: the vectors of the distinct items of the batch, or of all.
            bias: likewise.
            batch: the batch, not renumbered.
            dropout: the fraction of a history that is hidden.
        """

    @abstractmethod
    def extended(self, n_items: int) -> Self:
        """Return the same histories in a catalogue that has further items after those before, `n_items` in all."""

    @abstractmethod
    def owned(self) -> InteractionMatrix | None:
        """The interactions up to the time of the request; None: all."""


class EqualHistory(UserHistory):
    """All items of a history have the same weight.

    Args:
        spec: the training data.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__()
        self.shares = CsrBuffer(_shares(spec))

    def users(self, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        return F.normalize(self.shares.matrix @ items, dim=1)

    def of(self, histories: Histories, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_histories dim"]:
        return F.normalize(sums_of_items(histories.matrix(len(items)), items), dim=1)

    def score(
        self, items: Float[Tensor, "n_items dim"], bias: Float[Tensor, " n_items"], batch: TrainBatch, dropout: float
    ) -> HistoryScores:
        return HistoryScores(*score_with_history(items, bias, batch.renumbered(), dropout))

    def extended(self, n_items: int) -> Self:
        made, made_shares = shallow_copy(self), shallow_copy(self.shares)
        made_shares.shape = (made_shares.shape[0], n_items)
        made.shares = made_shares
        return made

    def owned(self) -> None:
        return None


def known_users(history: UserHistory, known: Bool[Tensor, " n_users"]) -> Bool[Tensor, " n_users"]:
    """Those of the known users who have items at the time of the request."""
    owned = history.owned()
    return known if owned is None else known & (owned.degree > 0)


def _shares(spec: DatasetSpec) -> Tensor:
    """The user-item matrix, (n_users, n_items) in CSR, with entries 1 / √n for the n distinct items of each user."""
    owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    user, item = owned.rows(torch.arange(spec.n_users))
    return csr_matrix(user, item, owned.degree[user].float().rsqrt(), (spec.n_users, spec.n_items))
