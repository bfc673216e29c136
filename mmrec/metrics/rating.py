"""Errors of predicted ratings over the given tensors; for per-user errors, pass the rows of one user."""

from jaxtyping import Float
from torch import Tensor


def rmse(scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> float:
    """√(Σ (score − rating)² / n), in the unit of the ratings; NaN without ratings (Herlocker et al. 2004).

    >>> import torch
    >>> rmse(torch.tensor([3.0, 5.0]), torch.tensor([4.0, 2.0]))  # √((1 + 9) / 2)
    2.23606797749979
    """
    return (scores.double() - ratings.double()).square().mean().sqrt().item()


def mae(scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> float:
    """Σ |score − rating| / n, in the unit of the ratings; NaN without ratings (Herlocker et al. 2004).

    >>> import torch
    >>> mae(torch.tensor([3.0, 5.0]), torch.tensor([4.0, 2.0]))
    2.0
    """
    return (scores.double() - ratings.double()).abs().mean().item()
