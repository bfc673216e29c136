"""SLIM: every item as a sparse nonnegative linear combination of other items."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, item_gram
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec

_BYTES_A_PAIR = 12
"""Bytes per pair of items: three matrices in single precision."""


class SLIM(HistoryBasedRecommender):
    """For every item j, the elastic net `argmin ½‖x_j - X w‖² + l1 Σw + ½ l2 ‖w‖²` with `w ≥ 0` and `w_j = 0` (Ning & Karypis 2011, eq. 3).

    Solved by coordinate descent on the Gram matrix for all items at once. The penalties are for sums over users: divide them by the number
    of users for those of scikit-learn. Memory is quadratic in items; X stays sparse.

    Args:
        l1: the penalty on the sum of weights.
        l2: the penalty on their squares.
        tolerance: descent stops when no weight would change by more.
        max_sweeps: the maximal number of passes over all items.
        max_gib: more items than fit into this memory are an error (4,729 fit into a quarter of a GiB).
    """

    weights: Tensor

    def __init__(self, l1: float = 3.0, l2: float = 100.0, tolerance: float = 1e-3, max_sweeps: int = 200, max_gib: float = 0.25) -> None:
        super().__init__()
        if l1 < 0 or l2 < 0:
            raise ValueError(f"l1 and l2: expected at least 0, found {l1} and {l2}")
        self.l1, self.l2, self.tolerance, self.max_sweeps, self.max_gib = l1, l2, tolerance, max_sweeps, max_gib

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData if there are more items than fit into `max_gib`."""
        if (needed := _BYTES_A_PAIR * owned.n_items**2 / 2**30) > self.max_gib:
            raise LackingData(f"{owned.n_items:,} items squared take {needed:.2g} GiB and hours, more than max_gib={self.max_gib:g}")
        self.remember(weights=elastic_net_weights(item_gram(owned), self.l1, self.l2, self.tolerance, self.max_sweeps))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return dense_rows(owned, user_idx) @ self.weights


def elastic_net_weights(
    gram: Float[Tensor, "n_items n_items"], l1: float, l2: float, tolerance: float, max_sweeps: int
) -> Float[Tensor, "n_items n_items"]:
    """The weights of all regressions, one per column (Friedman et al. 2010, section 2.2, covariance updates).

    Coordinate i is updated in all columns together. `residual[j]` is `Xᵀ(x_j - X w_j)`, which is only updated for columns whose weight
    changes by more than `tolerance`: most weights stay zero, so that late sweeps are cheap.
    """
    weights = torch.zeros_like(gram)  # row i holds the weight of item i in every regression
    residual = gram.clone()
    norm = gram.diagonal()
    for _ in range(max_sweeps):
        at_rest = True
        for i in (norm > 0).nonzero().flatten().tolist():
            wanted = (residual[:, i] + norm[i] * weights[i] - l1).clamp_(min=0) / (norm[i] + l2)
            wanted[i] = 0
            step = wanted - weights[i]
            columns = (step.abs() > tolerance).nonzero().flatten()
            if len(columns):
                residual.index_add_(0, columns, torch.outer(step[columns], gram[i]), alpha=-1)
                weights[i, columns] = wanted[columns]
                at_rest = False
        if at_rest:
            break
    return weights
