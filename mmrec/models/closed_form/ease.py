"""EASE: the linear model that most neural recommenders fail to beat."""

import logging
from typing import NamedTuple, Self

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, interaction_matrix, item_gram, put_last
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
_BYTES_A_PAIR = 12
"""Of two items: a single-precision matrix and twice as much to decompose it in."""


class Spectrum(NamedTuple):
    """What all regularizations share: `XᵀX = V diag(s) Vᵀ` of the items that take part."""

    kept: Int64[Tensor, " n"]
    """The items, ascending."""
    vectors: Float[Tensor, "n n"]
    values: Float[Tensor, " n"]


class EASE(HistoryBasedRecommender):
    """Item-item weights with zero diagonal in closed form: `P = (XᵀX + λI)⁻¹`, `B_ij = -P_ij / P_jj` (Steck 2019, eq. 8).

    With `XᵀX = V diag(s) Vᵀ` and `H = V diag(s / (s + λ)) Vᵀ` that is `B_ij = H_ij / (1 - H_jj)`: one eigendecomposition serves every λ,
    and B is never made. Its memory is quadratic in items and its time cubic, so only as many items take part as fit `max_gib`, those with
    most interactions; 2 GiB hold 13,377. The others are last.
    """

    kept: Tensor
    spectrum: Tensor
    vectors_of_items: Tensor
    diagonal: Tensor

    def __init__(self, regularization: float = 400.0, max_gib: float = 2.0) -> None:
        super().__init__()
        if regularization <= 0 or max_gib <= 0:
            raise ValueError(f"regularization, max_gib: expected more than 0, came {regularization} and {max_gib}")
        self.regularization, self.max_gib = regularization, max_gib

    def prepare(self, spec: DatasetSpec) -> Spectrum:
        """What fits at all regularizations share. Raises LackingData where not two items fit `max_gib`."""
        train = interaction_matrix(spec)
        known, room = int((train.item_degree > 0).sum()), int((self.max_gib * 2**30 / _BYTES_A_PAIR) ** 0.5)
        if room < min(known, 2):
            raise LackingData(f"max_gib={self.max_gib:g} hold no matrix of two items")
        kept = train.item_degree.argsort(descending=True, stable=True)[: min(known, room)].sort().values
        if known > room:
            _log.info(f"ease: of {known:,} items the {room:,} with most interactions take part, as many as fit max_gib={self.max_gib:g}")
        gram = item_gram(_only(train, kept)).numpy()
        values, vectors = scipy.linalg.eigh(gram.T, driver="evd", overwrite_a=True, check_finite=False) if known else (gram[0:0, 0], gram)
        return Spectrum(kept, torch.from_numpy(np.ascontiguousarray(vectors)), torch.from_numpy(values).clamp(min=0))

    def fit_prepared(self, spec: DatasetSpec, prepared: Spectrum) -> Self:
        """As `fit`, with what `prepare` gave of the same data."""
        self.remember_interactions(spec)
        self._remember_spectrum(prepared)
        return self

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        self._remember_spectrum(self.prepare(spec))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        rows, vectors = dense_rows(owned, user_idx)[:, self.kept], self.vectors_of_items
        inside = ((rows @ vectors * self.spectrum) @ vectors.T - rows * self.diagonal) / (1 - self.diagonal)
        scores = inside.new_zeros(len(user_idx), owned.n_items).index_copy_(1, self.kept, inside)
        absent = torch.ones(owned.n_items, dtype=torch.bool).index_fill_(0, self.kept, False)
        return put_last(scores, absent)

    def _remember_spectrum(self, prepared: Spectrum) -> None:
        share = prepared.values / (prepared.values + self.regularization)
        diagonal = torch.cat([rows.square() @ share for rows in prepared.vectors.split(1024)])
        diagonal.clamp_(max=1 - 1e-6)  # for a tiny λ it is 1 up to rounding
        self.remember(kept=prepared.kept, vectors_of_items=prepared.vectors, spectrum=share, diagonal=diagonal)


def _only(train: InteractionMatrix, kept: Int64[Tensor, " n"]) -> InteractionMatrix:
    """The interactions with some items, which are counted anew."""
    place = torch.full((train.n_items,), -1).index_copy_(0, kept, torch.arange(len(kept)))
    users = torch.repeat_interleave(torch.arange(train.n_users), train.degree)
    items = place[train.indices]
    return InteractionMatrix.from_pairs(users[items >= 0], items[items >= 0], train.n_users, len(kept))
