"""Half-lives of single users, shrunk to that of all users or of their group."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmrec.models.time.half_life import Bounds, ChoiceModel

_GRID = 241
"""Points over the logarithm of half-lives: they lie closer than the least spread."""
_SPREADS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


class UserHalfLives(NamedTuple):
    """The half-lives of users with choices."""

    user_idx: Int64[Tensor, " n"]
    days: Float64[Tensor, " n"]
    """`exp` of the posterior mean of the logarithm."""
    deviation: Float64[Tensor, " n"]
    """The posterior standard deviation of the logarithm."""
    spread: float
    """The standard deviation of the logarithms of half-lives over users; the smaller, the stronger the shrinkage."""


def shrink_to(
    model: ChoiceModel, coefficients: Float64[Tensor, " terms"], centre_days: Float64[Tensor, " n_users"], bounds: Bounds
) -> UserHalfLives:
    """Estimate the half-life of each user by empirical Bayes, integrating over a grid.

    The logarithm of a user's half-life is normally distributed around that of `centre_days`, with a spread that maximises the marginal
    likelihood. Users with few choices hardly move away from the centre.

    Args:
        model: the choices, with one class of items.
        coefficients: of utility, common to all users.
        centre_days: the half-life that each user is shrunk to.
        bounds: of half-lives.
    """
    users, place = torch.unique(model.sets.user_idx, return_inverse=True)
    grid = torch.linspace(math.log(bounds.low), math.log(bounds.high), _GRID, dtype=torch.float64)
    by_user = torch.zeros(len(users), _GRID, dtype=torch.float64)
    with torch.no_grad():
        for column, value in enumerate(grid):
            of_choices = model.log_likelihood(torch.cat([coefficients, value[None]]))
            by_user[:, column] = torch.zeros(len(users), dtype=torch.float64).index_add_(0, place, of_choices)
    distance = grid[None] - centre_days[users].log()[:, None]
    priors = {spread: (-0.5 * (distance / spread).square()).log_softmax(dim=1) for spread in _SPREADS}
    spread = max(priors, key=lambda one: float((by_user + priors[one]).logsumexp(dim=1).sum()))
    posterior = (by_user + priors[spread]).softmax(dim=1)
    mean = posterior @ grid
    deviation = (posterior @ grid.square() - mean.square()).clamp(min=0).sqrt()
    return UserHalfLives(users, mean.exp(), deviation, spread)
