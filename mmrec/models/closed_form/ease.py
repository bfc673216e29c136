"""EASE: the linear model that most neural recommenders fail to beat."""

import logging
from typing import NamedTuple, Self

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.ease_weights import ease_weights
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import interaction_matrix, item_gram, put_last, sparse_rows
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
_BYTES_A_PAIR = 12
"""Of two items: a matrix in double precision, inverted where it is, and the weights in single."""
_SEARCHED = 4000
"""Items by which a search tells regularizations apart: to decompose ten thousand takes minutes of a core, to invert them half of one."""


class Spectrum(NamedTuple):
    """What all regularizations share: `XᵀX = V diag(s) Vᵀ` of the items that take part, or of those with most interactions."""

    kept: Int64[Tensor, " n"]
    """The items, ascending."""
    vectors: Float[Tensor, "n n"]
    values: Float[Tensor, " n"]
    is_whole: bool
    """Whether these are all that take part."""


class EASE(HistoryBasedRecommender):
    """Item-item weights with zero diagonal in closed form: `P = (XᵀX + λI)⁻¹`, `B_ij = -P_ij / P_jj` (Steck 2019, eq. 8).

    With `XᵀX = V diag(s) Vᵀ` and `H = V diag(s / (s + λ)) Vᵀ` that is `B_ij = H_ij / (1 - H_jj)`: one eigendecomposition serves every λ
    of a search, which of more than 4,000 items takes those with most interactions.

    Memory is quadratic in items and time cubic, so only as many items take part as fit `max_gib`, those with most interactions; 2 GiB hold
    13,377. The others are last.
    """

    kept: Tensor
    weights: Tensor

    def __init__(self, regularization: float = 400.0, max_gib: float = 2.0) -> None:
        super().__init__()
        if regularization <= 0 or max_gib <= 0:
            raise ValueError(f"regularization, max_gib: expected more than 0, came {regularization} and {max_gib}")
        self.regularization, self.max_gib = regularization, max_gib

    def prepare(self, spec: DatasetSpec) -> Spectrum:
        """What fits at all regularizations share. Raises LackingData where not two items fit `max_gib`."""
        train = interaction_matrix(spec)
        room, known = self._room(train), int((train.item_degree > 0).sum())
        kept = _most_interacted(train, min(room, _SEARCHED))
        gram = item_gram(_only(train, kept))
        if not len(kept):  # which LAPACK refuses
            return Spectrum(kept, gram, gram.diagonal(), is_whole=True)
        values, vectors = scipy.linalg.eigh(gram.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
        vectors = torch.from_numpy(np.ascontiguousarray(vectors))
        return Spectrum(kept, vectors, torch.from_numpy(values).clamp(min=0), len(kept) == min(known, room))

    def is_whole(self, prepared: Spectrum) -> bool:
        """Whether all items that take part are in it, so that `fit_prepared` gives what `fit` does."""
        return prepared.is_whole

    def fit_prepared(self, spec: DatasetSpec, prepared: Spectrum) -> Self:
        """As `fit`, of the items in what `prepare` gave of the same data."""
        self.remember_interactions(spec)
        self._remember_spectrum(prepared)
        return self

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData where not two items fit `max_gib`."""
        room, known = self._room(owned), int((owned.item_degree > 0).sum())
        if known > room:
            _log.info(f"ease: of {known:,} items the {room:,} with most interactions take part, as many as fit max_gib={self.max_gib:g}")
        if min(known, room) <= _SEARCHED:
            self._remember_spectrum(self.prepare(spec))
            return
        kept = _most_interacted(owned, room)
        self.remember(kept=kept, weights=ease_weights(item_gram(_only(owned, kept), torch.float64), self.regularization))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        inside = torch.from_numpy(sparse_rows(owned, user_idx)[:, self.kept.numpy()] @ self.weights.numpy())
        scores = inside.new_zeros(len(user_idx), owned.n_items).index_copy_(1, self.kept, inside)
        absent = torch.ones(owned.n_items, dtype=torch.bool).index_fill_(0, self.kept, False)
        return put_last(scores, absent)

    def _room(self, train: InteractionMatrix) -> int:
        """How many items fit. Raises LackingData where not two of those known do."""
        room = int((self.max_gib * 2**30 / _BYTES_A_PAIR) ** 0.5)
        if room < min(int((train.item_degree > 0).sum()), 2):
            raise LackingData(f"max_gib={self.max_gib:g} hold no matrix of two items")
        return room

    def _remember_spectrum(self, prepared: Spectrum) -> None:
        vectors, share = prepared.vectors, prepared.values / (prepared.values + self.regularization)
        smooth = vectors * share @ vectors.T
        rest = (1 - smooth.diagonal()).clamp(min=1e-6)  # for a tiny λ it is 0 up to rounding
        self.remember(kept=prepared.kept, weights=smooth.div_(rest).fill_diagonal_(0))


def _most_interacted(train: InteractionMatrix, n: int) -> Int64[Tensor, " n"]:
    """The n items with most interactions, fewer where no more have any, ascending."""
    known = int((train.item_degree > 0).sum())
    return train.item_degree.argsort(descending=True, stable=True)[: min(known, n)].sort().values


def _only(train: InteractionMatrix, kept: Int64[Tensor, " n"]) -> InteractionMatrix:
    """The interactions with some items, which are counted anew."""
    place = torch.full((train.n_items,), -1).index_copy_(0, kept, torch.arange(len(kept)))
    users = torch.repeat_interleave(torch.arange(train.n_users), train.degree)
    items = place[train.indices]
    return InteractionMatrix.from_pairs(users[items >= 0], items[items >= 0], train.n_users, len(kept))
