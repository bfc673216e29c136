"""SLIM: every item as a sparse, non-negative sum of others."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, item_gram
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec

_BYTES_A_PAIR = 12
"""Of two items: three matrices in single precision."""


class SLIM(HistoryBasedRecommender):
    """Of every item j the elastic net `argmin ½‖x_j - X w‖² + l1 Σw + ½ l2 ‖w‖²` with `w ≥ 0` and `w_j = 0` (Ning & Karypis 2011, eq. 3).

    By coordinate descent on the Gram matrix, for all items at once, until no weight wants to move by more than `tolerance`. Penalties are
    those of a sum over users: divide by the number of users for scikit-learn's. Memory is quadratic in items, and X is never dense; more
    items than fit `max_gib` are refused (4,729 fit a quarter of one).
    """

    weights: Tensor

    def __init__(self, l1: float = 3.0, l2: float = 100.0, tolerance: float = 1e-3, max_sweeps: int = 200, max_gib: float = 0.25) -> None:
        super().__init__()
        if l1 < 0 or l2 < 0:
            raise ValueError(f"l1 and l2: expected at least 0, came {l1} and {l2}")
        self.l1, self.l2, self.tolerance, self.max_sweeps, self.max_gib = l1, l2, tolerance, max_sweeps, max_gib

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData where there are more items than `max_gib` hold matrices of."""
        if (needed := _BYTES_A_PAIR * owned.n_items**2 / 2**30) > self.max_gib:
            raise LackingData(f"{owned.n_items:,} items squared take {needed:.2g} GiB and hours, more than max_gib={self.max_gib:g}")
        self.remember(weights=elastic_net_weights(item_gram(owned), self.l1, self.l2, self.tolerance, self.max_sweeps))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return dense_rows(owned, user_idx) @ self.weights


def elastic_net_weights(
    gram: Float[Tensor, "n_items n_items"], l1: float, l2: float, tolerance: float, max_sweeps: int
) -> Float[Tensor, "n_items n_items"]:
    """The weights of all regressions, one a column (Friedman et al. 2010, section 2.2, covariance updates).

    Coordinate i is moved in all columns together. `residual[j]` is `Xᵀ(x_j - X w_j)`, and only columns whose weight wants to move by more
    than `tolerance` touch theirs: most weights stay zero, and late sweeps are nearly free.
    """
    weights = torch.zeros_like(gram)  # row i: the weight of item i in every regression
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
