"""EASE: a linear item-item model in closed form, a strong baseline for neural recommenders."""

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
"""Bytes per pair of items: a double-precision matrix, inverted in place, and the weights in single precision."""
_SEARCHED = 4000
"""The number of items used to compare regularizations: decomposing ten thousand takes minutes on one core, inverting half a minute."""


class Spectrum(NamedTuple):
    """The eigendecomposition shared by all regularizations, `XᵀX = V diag(s) Vᵀ`, of all used items or of the most popular ones."""

    kept: Int64[Tensor, " n"]
    """The items, ascending."""
    vectors: Float[Tensor, "n n"]
    values: Float[Tensor, " n"]
    is_whole: bool
    """Whether these are all used items."""


class EASE(HistoryBasedRecommender):
    """Item-item weights with zero diagonal in closed form: `P = (XᵀX + λI)⁻¹`, `B_ij = -P_ij / P_jj` (Steck 2019, eq. 8).

    With `XᵀX = V diag(s) Vᵀ` and `H = V diag(s / (s + λ)) Vᵀ`, `B_ij = H_ij / (1 - H_jj)`: one eigendecomposition serves all λ of a search,
    which uses the 4,000 most popular items at most.

    Memory is quadratic and time cubic in the number of items.

    Args:
        regularization: λ.
        max_gib: the memory limit; only the most popular items that fit are used (13,377 for 2 GiB), and the others are ranked last.
    """

    kept: Tensor
    weights: Tensor

    def __init__(self, regularization: float = 400.0, max_gib: float = 2.0) -> None:
        super().__init__()
        if regularization <= 0 or max_gib <= 0:
            raise ValueError(f"regularization, max_gib: expected more than 0, found {regularization} and {max_gib}")
        self.regularization, self.max_gib = regularization, max_gib

    def prepare(self, spec: DatasetSpec) -> Spectrum:
        """Compute what all regularizations share. Raises LackingData if `max_gib` is too small for two items."""
        train = interaction_matrix(spec)
        room, known = self._room(train), int((train.item_degree > 0).sum())
        kept = _most_interacted(train, min(room, _SEARCHED))
        gram = item_gram(_only(train, kept))
        if not len(kept):  # LAPACK rejects empty matrices
            return Spectrum(kept, gram, gram.diagonal(), is_whole=True)
        values, vectors = scipy.linalg.eigh(gram.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
        vectors = torch.from_numpy(np.ascontiguousarray(vectors))
        return Spectrum(kept, vectors, torch.from_numpy(values).clamp(min=0), len(kept) == min(known, room))

    def is_whole(self, prepared: Spectrum) -> bool:
        """Whether all used items are included, so that `fit_prepared` gives the result of `fit`."""
        return prepared.is_whole

    def fit_prepared(self, spec: DatasetSpec, prepared: Spectrum) -> Self:
        """Fit on the items of the result of `prepare` for the same data."""
        self.remember_interactions(spec)
        self._remember_spectrum(prepared)
        return self

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData if `max_gib` is too small for two items."""
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
        """The number of items that fit into `max_gib`. Raises LackingData if two known items do not fit."""
        room = int((self.max_gib * 2**30 / _BYTES_A_PAIR) ** 0.5)
        if room < min(int((train.item_degree > 0).sum()), 2):
            raise LackingData(f"max_gib={self.max_gib:g} is too small for a matrix of two items")
        return room

    def _remember_spectrum(self, prepared: Spectrum) -> None:
        vectors, share = prepared.vectors, prepared.values / (prepared.values + self.regularization)
        smooth = vectors * share @ vectors.T
        rest = (1 - smooth.diagonal()).clamp(min=1e-6)  # almost 0 for a tiny λ
        self.remember(kept=prepared.kept, weights=smooth.div_(rest).fill_diagonal_(0))


def _most_interacted(train: InteractionMatrix, n: int) -> Int64[Tensor, " n"]:
    """The n most popular items, or fewer if not as many have interactions, ascending."""
    known = int((train.item_degree > 0).sum())
    return train.item_degree.argsort(descending=True, stable=True)[: min(known, n)].sort().values


def _only(train: InteractionMatrix, kept: Int64[Tensor, " n"]) -> InteractionMatrix:
    """Restrict the matrix to the given items, which are renumbered."""
    place = torch.full((train.n_items,), -1).index_copy_(0, kept, torch.arange(len(kept)))
    users = torch.repeat_interleave(torch.arange(train.n_users), train.degree)
    items = place[train.indices]
    return InteractionMatrix.from_pairs(users[items >= 0], items[items >= 0], train.n_users, len(kept))
