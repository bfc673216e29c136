"""Ridge regression from item content to targets that are known for items with training interactions."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from mmrec.models.content.content_matrix import Content
from mmrec.models.recommender import LackingData

MEMORY_BYTES = 2 * 2**30
"""The memory limit for the matrices of content models in closed form."""


class RidgeFactors(NamedTuple):
    """A ridge regression in factored form: `left @ right.T` maps targets of training items to predictions for all items.

    With content F and its rows F_k of training items: `F (F_kᵀF_k + λI)⁻¹ F_kᵀ = F F_kᵀ (F_k F_kᵀ + λI)⁻¹` (Saunders et al. 1998); the
    first form is used if there are fewer columns than training items, the second otherwise.
    """

    left: Float[Tensor, "n_items width"]
    """Zero for items without training interactions."""
    right: Float[Tensor, "n_items width"]

    def predict(self, targets: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_items dim"]:
        """Predict the targets of every item from those of training items."""
        return self.right @ (self.left.T @ targets)


def check_memory(n_bytes: int, model: str, remedy: str) -> None:
    """Raise LackingData if a model needs more than `MEMORY_BYTES`."""
    if n_bytes > MEMORY_BYTES:
        gib = 2**30
        raise LackingData(f"{model} would need {n_bytes / gib:.1f} GiB, more than {MEMORY_BYTES / gib:.0f} GiB, with this many {remedy}")


def solve_ridge(content: Content, regularization: float) -> RidgeFactors:
    """Solve a ridge regression, with time cubic in the number of columns or training items, whichever is less.

    Args:
        content: the features of all items.
        regularization: λ.

    Raises:
        LackingData: the matrices would take more than `MEMORY_BYTES`.
    """
    n_known, n_items, dim = int(content.known.sum()), len(content.known), content.dim
    width = min(n_known, dim)
    check_memory(8 * n_items * width + 16 * width**2, "a ridge regression", "items and features")
    known = content.known.numpy()
    if dim < n_known:
        right = content.dense()
        inside = np.where(known[:, None], right, 0.0)
        gram = inside.T.astype(np.float64) @ inside
        gram[np.diag_indices(dim)] += regularization
        left = cho_solve(cho_factor(gram, overwrite_a=True), inside.T.astype(np.float64), overwrite_b=True).T
        return RidgeFactors(torch.from_numpy(left.astype(np.float32)), torch.from_numpy(right))
    kernel = content.kernel(content.known)
    gram = kernel[:, known].astype(np.float64)
    gram[np.diag_indices(n_known)] += regularization
    solved = cho_solve(cho_factor(gram, overwrite_a=True), kernel.astype(np.float64), overwrite_b=True)
    left = np.zeros((n_items, n_known), dtype=np.float32)
    left[np.flatnonzero(known), np.arange(n_known)] = 1.0
    return RidgeFactors(torch.from_numpy(left), torch.from_numpy(solved.T.astype(np.float32)))
