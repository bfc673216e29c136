"""Recommend by a user's last item alone: the base class of Markov chains and of nearest neighbours of the last item."""

from abc import abstractmethod
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last
from mmrec.models.recommender import ClosedFormRecommender, LackingData
from mmrec.types import DatasetSpec

_TIE_BREAK = 1e-6
"""The weight of popularity, which orders items that are equally likely to follow."""


class LastItemRecommender(ClosedFormRecommender):
    """Scores are the row of the last item in a sparse matrix; users without history get popular items."""

    is_history_based = True
    weights: Tensor
    columns: Tensor
    row_ends: Tensor
    last: Tensor

    @abstractmethod
    def transitions(self, histories: Histories, n_items: int) -> csr_array:
        """Return the matrix, `(n_items, n_items)`: row i holds the scores of items after item i."""

    def fit(self, spec: DatasetSpec) -> Self:
        if spec.train.timestamp is None:
            raise LackingData(f"{type(self).__name__} needs the times of interactions, a column `timestamp`, and there is none")
        self.remember_interactions(spec)
        histories = Histories.from_events(spec.train, spec.n_users)
        found = self.transitions(histories, spec.n_items)
        parts = found.data.astype(np.float32), found.indices.astype(np.int32), found.indptr.astype(np.int64)
        self.remember(**dict(zip(("weights", "columns", "row_ends"), map(torch.from_numpy, parts), strict=True)))
        self.remember(last=last_items(histories))
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.last[user_idx])

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self._score(last_items(histories))

    def _score(self, last: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        train = self.interactions
        parts = tuple(part.numpy() for part in (self.weights, self.columns, self.row_ends))
        matrix = csr_array(parts, shape=(train.n_items, train.n_items))
        popularity = train.item_degree.float()
        scores = torch.from_numpy(matrix[last.clamp(min=0).numpy()].toarray()) + _TIE_BREAK * popularity / popularity.max().clamp(min=1)
        return popular_for_new(put_last(scores, train.item_degree == 0), last < 0, train)


def last_items(histories: Histories) -> Int64[Tensor, " n_users"]:
    """Return the last item of each history, -1 for an empty one."""
    if not len(histories.item_idx):
        return torch.full((len(histories),), -1)
    last = histories.item_idx[(histories.indptr[1:] - 1).clamp(min=0)]
    return torch.where(histories.n_events > 0, last, -1)
