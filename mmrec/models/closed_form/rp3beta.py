"""RP3beta: three-step random walks on the user-item graph, with a penalty for popular items."""

import numpy as np
import torch
from jaxtyping import Int64
from scipy.sparse import csr_array, diags_array
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import sparse_matrix
from mmrec.models.closed_form.neighbors import NeighborhoodRecommender, nearest, without_diagonal
from mmrec.types import DatasetSpec


class RP3Beta(NeighborhoodRecommender):
    """Item weights `w_ij = Σ_u (p_iu p_uj)^alpha / |U_j|^beta` with `p_iu = 1/|U_i|`, `p_uj = 1/|I_u|`, summed over the user's
    history.

    `w_ii = 0`, and the `n_neighbors` largest weights of each row are kept (Paudel et al. 2017, eq. 5, with the powers of Cooper et al.
    2014). The first step, `p_ui^alpha`, is a constant factor for each user and left out.

    Args:
        alpha: the power of transition probabilities.
        beta: the strength of the popularity penalty.
        n_neighbors: the weights that each item keeps.
    """

    def __init__(self, alpha: float = 0.8, beta: float = 0.5, n_neighbors: int = 200) -> None:
        super().__init__()
        if n_neighbors < 1:
            raise ValueError(f"n_neighbors: expected at least 1, found {n_neighbors}")
        self.alpha, self.beta, self.n_neighbors = alpha, beta, n_neighbors

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        matrix = csr_array(sparse_matrix(owned), dtype=np.float64)
        from_user = diags_array(_power(owned.degree, -self.alpha)) @ matrix
        from_item = (diags_array(_power(owned.item_degree, -self.alpha)) @ matrix.T).tocsr()
        held_back = from_user @ diags_array(_power(owned.item_degree, -self.beta))
        self.remember_weights(nearest(from_item, held_back.tocsr(), self.n_neighbors, without_diagonal))


def _power(degree: Int64[Tensor, " n"], exponent: float) -> np.ndarray:
    """degree^exponent, and 0 for a degree of 0."""
    return torch.where(degree > 0, degree.double().clamp(min=1) ** exponent, 0.0).numpy()
