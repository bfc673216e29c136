"""Scale user vectors so that their scores have unit deviation over the catalogue."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Scale = Callable[[Float[Tensor, "n_users dim"]], Float[Tensor, "n_users dim"]]


def unit_deviation(items: Float[Tensor, "n_items dim"]) -> Scale:
    """Return the function that scales user vectors: `u / √(uᵀ Cov(i) u)`. The covariance is computed once."""
    dim = items.shape[1]
    covariance = items.T.cov().reshape(dim, dim) if len(items) > 1 else items.new_zeros(dim, dim)

    def scaled(users: Float[Tensor, "n_users dim"]) -> Float[Tensor, "n_users dim"]:
        deviation = torch.einsum("ud,de,ue->u", users, covariance, users).clamp(min=0).sqrt()
        return users / deviation.clamp(min=1e-12)[:, None]

    return scaled
