"""RP3beta: where a walk of three steps over the user-item graph ends, popular items held back."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array, diags_array, vstack
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import dense_rows, sparse_matrix
from mmrec.types import DatasetSpec

_BLOCK = 1024


class RP3Beta(HistoryBasedRecommender):
    """`w_ij = Σ_u (p_iu p_uj)^alpha / |U_j|^beta` with `p_iu = 1/|U_i|`, `p_uj = 1/|I_u|`, summed over the history i of the user; of every
    row the `n_neighbors` largest are kept, `w_ii = 0` (Paudel et al. 2017, eq. 5, with the walk's powers of Cooper et al. 2014).

    The first step, `p_ui^alpha`, is one factor for all items of a user and is left out.
    """

    weights: Tensor
    columns: Tensor
    row_ends: Tensor

    def __init__(self, alpha: float = 0.8, beta: float = 0.5, n_neighbors: int = 200) -> None:
        super().__init__()
        self.alpha, self.beta, self.n_neighbors = alpha, beta, n_neighbors

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        matrix = csr_array(sparse_matrix(owned), dtype=np.float64)
        from_user = diags_array(_power(owned.degree, -self.alpha)) @ matrix
        from_item = diags_array(_power(owned.item_degree, -self.alpha)) @ matrix.T.tocsr()
        held_back = from_user @ diags_array(_power(owned.item_degree, -self.beta))
        blocks = range(0, spec.n_items, _BLOCK)
        weights = vstack([self._nearest(from_item[start : start + _BLOCK] @ held_back, start) for start in blocks])
        transposed = weights.T.tocsr().astype(np.float32)
        parts = (torch.from_numpy(part) for part in (transposed.data, transposed.indices, transposed.indptr))
        self.remember(**dict(zip(("weights", "columns", "row_ends"), parts, strict=True)))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        parts = tuple(part.numpy() for part in (self.weights, self.columns, self.row_ends))
        transposed = csr_array(parts, shape=(owned.n_items, owned.n_items))
        return torch.from_numpy(transposed @ dense_rows(owned, user_idx).T.numpy()).T

    def _nearest(self, rows: csr_array, start: int) -> csr_array:
        """The largest entries of each row of a block that begins at item `start`, without the item itself."""
        dense = torch.from_numpy(rows.toarray())
        dense.diagonal(offset=start).zero_()
        kept = dense.topk(min(self.n_neighbors, dense.shape[1]), dim=1)
        return csr_array(torch.zeros_like(dense).scatter_(1, kept.indices, kept.values).numpy())


def _power(degree: Int64[Tensor, " n"], exponent: float) -> np.ndarray:
    """degree^exponent, and 0 for a degree of 0."""
    return torch.where(degree > 0, degree.double().clamp(min=1) ** exponent, 0.0).numpy()
