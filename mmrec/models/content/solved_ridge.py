"""Ridge regression that is solved once, and then predicts items that are added."""

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from torch import Tensor

from mmrec.models.content.content_matrix import Block, Content
from mmrec.models.content.ridge import check_memory

_TOLERANCE, _MOST_CHANGED = 1e-6, 0.1
"""The difference of features beyond which a training item has changed, and the share of changed ones beyond which all is solved again."""
Solve = Callable[[np.ndarray], np.ndarray]


@final
class SolvedRidge:
    """The predictions of `solve_ridge` for fixed targets, of content to which items without training interactions are added.

    With the inner products K of training items and their targets T, `α = (K + λI)⁻¹ T` is kept, and predictions are `F F_kᵀ α`. Added items
    may change the features of few training items: a word that one of them had alone becomes a feature. Then K differs in few rows and
    columns, and α is corrected by the identity of Sherman, Morrison and Woodbury with the factorisation that is kept.

    Args:
        content: the features of the items.
        targets: of training items; zero for others.
        regularization: λ.

    Raises:
        LackingData: the matrices would take more than `MEMORY_BYTES`.
    """

    def __init__(self, content: Content, targets: Float[Tensor, "n_items dim"], regularization: float) -> None:
        self._content, self._regularization = content, regularization
        self._known = content.known.nonzero().flatten().numpy()
        self._targets = targets.numpy()[self._known].astype(np.float64)
        self._solve = _solver(content, self._known, regularization)
        self._alpha = self._solve(self._targets)

    def predict(self, content: Content) -> Float[Tensor, "n_more_items dim"]:
        """Predict the targets of all items of content that has the same training items in the same places."""
        alpha, features = self._alpha_of(content).astype(np.float32), content.blocks.values()
        found = np.zeros((len(content.known), alpha.shape[1]), dtype=np.float32)
        for block in features:
            found += block @ (block[self._known].T @ alpha)
        return torch.from_numpy(found)

    def _alpha_of(self, content: Content) -> np.ndarray:
        changed = self._changed(content)
        if not len(changed):
            return self._alpha
        if len(changed) > _MOST_CHANGED * len(self._known):
            return _solver(content, self._known, self._regularization)(self._targets)
        rows = self._known[changed]
        more = (_products(content, rows, self._known) - _products(self._content, rows, self._known)).T.astype(np.float64)
        n = len(changed)
        ends = np.zeros((len(self._known), n))
        ends[changed, np.arange(n)] = 1.0
        both = np.hstack([ends, more])  # K' - K = both @ [[-more_cc, I], [I, 0]] @ both.T
        inverse = np.block([[np.zeros((n, n)), np.eye(n)], [np.eye(n), more[changed]]])
        solved = self._solve(both)
        corrected: np.ndarray = self._alpha - solved @ np.linalg.solve(inverse + both.T @ solved, both.T @ self._alpha)
        return corrected

    def _changed(self, content: Content) -> np.ndarray:
        """The training items whose features differ from those that were solved for."""
        differs = np.zeros(len(self._known), dtype=bool)
        for name in {*content.blocks, *self._content.blocks}:
            old, new = (self._rows(one, name) for one in (self._content, content))
            if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
                differs |= np.abs(old - new).max(axis=1, initial=0.0) > _TOLERANCE
                continue
            old, new = csr_matrix(old), csr_matrix(new)
            width = max(old.shape[1], new.shape[1])
            old.resize(len(differs), width)
            new.resize(len(differs), width)
            differs |= abs(old - new).max(axis=1).toarray().ravel() > _TOLERANCE
        return np.flatnonzero(differs)

    def _rows(self, content: Content, name: str) -> Block:
        """The features of training items from one source; sparse ones with the columns that they had in the source."""
        if name not in content.blocks:
            return csr_matrix((len(self._known), 0), dtype=np.float32)
        rows = content.blocks[name][self._known]
        if isinstance(rows, np.ndarray):
            return rows
        columns = content.columns[name]
        return csr_matrix((rows.data, columns[rows.indices], rows.indptr), shape=(len(self._known), int(columns.max(initial=0)) + 1))


def _products(content: Content, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The inner products of some items with others."""
    mask = torch.zeros(len(content.known), dtype=torch.bool)
    mask[torch.from_numpy(rows)] = True  # `rows` are ascending
    return content.kernel(mask)[:, columns]


def _solver(content: Content, known: np.ndarray, regularization: float) -> Solve:
    """A function that multiplies `(K + λI)⁻¹`, factorised in the smaller of both forms, see `RidgeFactors`."""
    n_known, dim = len(known), content.dim
    width = min(n_known, dim)
    check_memory(8 * n_known * width + 16 * width**2, "a ridge regression", "items and features")
    if dim >= n_known:
        gram = content.kernel(content.known)[:, known].astype(np.float64)
        gram[np.diag_indices(n_known)] += regularization
        factor = cho_factor(gram, overwrite_a=True)
        return lambda values: cho_solve(factor, values)
    inside = content.dense()[known].astype(np.float64)
    gram = inside.T @ inside
    gram[np.diag_indices(dim)] += regularization
    factor = cho_factor(gram, overwrite_a=True)
    return lambda values: (values - inside @ cho_solve(factor, inside.T @ values)) / regularization
