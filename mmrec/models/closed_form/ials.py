"""iALS: weighted matrix factorisation by alternating least squares."""

from typing import Self

import torch
from implicit.cpu.als import AlternatingLeastSquares
from jaxtyping import Float, Int64
from threadpoolctl import threadpool_limits
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline, interaction_matrix, sparse_matrix
from mmrec.models.closed_form.factors import Factors
from mmrec.types import DatasetSpec


class IALS(Baseline):
    """Minimises `Σ_ui c_ui (x_ui - p_u·q_i)² + regularization (‖P‖² + ‖Q‖²)`, c = `alpha` where x = 1 and 1 elsewhere, by exact half-steps
    (Hu, Koren & Volinsky 2008, eq. 3 to 5, with `implicit`'s confidence of `alpha` and not 1 + alpha). One thread: same seed, same factors.
    """

    def __init__(self, embedding_dim: int, regularization: float, alpha: float, n_iterations: int, seed: int) -> None:
        self.embedding_dim, self.regularization, self.alpha = embedding_dim, regularization, alpha
        self.n_iterations, self.seed = n_iterations, seed

    def fit(self, spec: DatasetSpec) -> Self:
        train = interaction_matrix(spec)
        sizes = {"factors": self.embedding_dim, "regularization": self.regularization, "alpha": self.alpha}
        with threadpool_limits(1, "blas"):  # implicit's own threads and BLAS's would fight, and the order of sums would vary
            model = AlternatingLeastSquares(
                **sizes, iterations=self.n_iterations, use_cg=False, num_threads=1, random_state=self.seed % 2**32
            )
            model.fit(sparse_matrix(train), show_progress=False)
        self._factors = Factors(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors), train)
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._factors.score(user_idx)
