"""Sampling the normal prior of the vectors of users or items, given the vectors (normal-Wishart), and what content adds to its mean."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_PRIOR_COUNT, _CONTENT_PENALTY = 2.0, 20.0


class NormalPrior(NamedTuple):
    """The normal prior of the vectors of one side."""

    mean: Float[Tensor, "n dim"]
    precision: Float[Tensor, "dim dim"]


def sample_prior(rows: Float[Tensor, "n dim"], given: Float[Tensor, "n dim"]) -> NormalPrior:
    """Sample mean and precision of the prior from their normal-Wishart posterior; `given` is the part of the mean that content gives."""
    (n, dim), left = rows.shape, rows - given
    average = left.mean(dim=0)
    scatter = torch.eye(dim, dtype=torch.float64) + (left - average).T @ (left - average)
    scatter += _PRIOR_COUNT * n / (_PRIOR_COUNT + n) * torch.outer(average, average)
    precision = _sample_wishart(torch.linalg.inv(scatter), dim + n)
    root = torch.linalg.cholesky(torch.linalg.inv(precision * (_PRIOR_COUNT + n)))
    mean = n * average / (_PRIOR_COUNT + n) + root @ torch.randn(dim, dtype=torch.float64)
    return NormalPrior(given + mean, precision)


def _sample_wishart(scale: Float[Tensor, "dim dim"], degrees: int) -> Float[Tensor, "dim dim"]:
    """Sample from the Wishart distribution by the decomposition of Bartlett (1933)."""
    dim = len(scale)
    lower = torch.randn(dim, dim, dtype=torch.float64).tril(-1)
    squares = torch.distributions.Chi2(degrees - torch.arange(dim, dtype=torch.float64)).sample()
    root: Tensor = torch.linalg.cholesky(scale) @ (lower + squares.sqrt().diag())
    return root @ root.T


def sample_slopes(
    content: Float[Tensor, "n_items n_components"], left: Float[Tensor, "n_items dim"], precision: Float[Tensor, "dim dim"]
) -> Float[Tensor, "n_components dim"]:
    """Sample the linear function of content in the items' prior, by a regression on noisy targets."""
    spread = torch.linalg.cholesky(torch.linalg.inv(precision)).T
    gram = content.T @ content
    gram.diagonal().add_(_CONTENT_PENALTY)
    target = content.T @ (left + torch.randn_like(left) @ spread)
    target += _CONTENT_PENALTY**0.5 * torch.randn(len(gram), left.shape[1], dtype=torch.float64) @ spread
    return torch.cholesky_solve(target, torch.linalg.cholesky(gram))


def sample_rows(precision: Float[Tensor, "n dim dim"], target: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """Sample each row from the normal distribution with this precision and the mean `precision⁻¹ target`."""
    root = torch.linalg.cholesky(precision)
    drawn = torch.randn(*target.shape, 1, dtype=torch.float64)
    sampled: Tensor = torch.cholesky_solve(target[:, :, None], root) + torch.linalg.solve_triangular(root.mT, drawn, upper=True)
    return sampled[:, :, 0]
