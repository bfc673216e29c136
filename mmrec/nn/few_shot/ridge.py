"""Ridge fold-in: the user's vector in closed form, by a regression of the given items against the others."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.nn.few_shot.adaptation import Adaptation


class RidgeAdaptation(Adaptation):
    """The vector of a user by ridge regression on item vectors: `w = (C + λ I)⁻¹ v̄`, with target 1 for given items and 0 for the pool.

    `C` is the mean of `v vᵀ` over the pool, beside which the given items do not count. λ is learned through the closed form, as all vectors
    are (R2-D2, Bertinetto et al. 2019).

    Args:
        embedding_dim, max_given, n_negatives: see `Adaptation`.
        regularization: λ at the start, relative to the mean of the diagonal of `C`.
    """

    def __init__(self, embedding_dim: int, max_given: int = 5, n_negatives: int = 512, regularization: float = 1.0) -> None:
        super().__init__(embedding_dim, max_given, n_negatives)
        if regularization <= 0:
            raise ValueError(f"regularization: expected more than 0, found {regularization}")
        self.regularization = regularization  # what is learned is relative to it, to which weight decay draws
        self.log_regularization = nn.Parameter(torch.zeros(()))

    def forward(self, support: Float[Tensor, "n dim"], pool: Float[Tensor, "n_negatives dim"]) -> Float[Tensor, "n dim"]:
        gram = pool.T @ pool / max(1, len(pool))
        level = gram.diagonal().mean().clamp(min=1e-6)
        penalty = self.regularization * self.log_regularization.exp() * level * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        return F.normalize(torch.linalg.solve(gram + penalty, support.T).T, dim=1)
