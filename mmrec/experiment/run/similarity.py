"""The similarity of items according to a model: the correlation of their scores over users."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.recommender import TrainedScorer
from mmrec.types import Features

_LEAST_SHARE = 1e-6
"""Standard deviations below this fraction of the largest one are regarded as rounding errors."""
_MAX_USERS = 1024


def similar_items(scorer: TrainedScorer, asked: Int64[Tensor, " n"], n_users: int, max_scores: int) -> Float[Tensor, "n n_items"]:
    """Compute the correlations of the scores of items over the training users; -inf for items with constant scores.

    Unlike the cosine of item vectors, they do not depend on how a model factorises its scores into user and item vectors, and popularity
    has no influence.

    Args:
        scorer: a trained model.
        asked: the items whose similarities are computed.
        n_users: the number of users of the model.
        max_scores: the maximal number of pairs scored at once if the model has no vectors.
    """
    if vectors := scorer.vectors():
        centred = (vectors.users - vectors.users.mean(dim=0)).double()
        covariance = centred.T @ centred / len(centred)
        items = vectors.items.double()
        products, squares = items[asked] @ covariance @ items.T, ((items @ covariance) * items).sum(dim=1)
    else:
        products, squares = _moments(scorer, asked, n_users, max_scores)
    deviations = squares.clamp(min=0).sqrt()
    floor = _LEAST_SHARE * deviations.max()
    correlation = products / (deviations[asked][:, None] * deviations).clamp(min=torch.finfo(torch.float64).tiny)
    varies = (deviations > floor) & (deviations[asked][:, None] > floor)
    return torch.where(varies, correlation, -torch.inf).float()


def score_features(scorer: TrainedScorer, n_users: int) -> Features:
    """Vectors of items whose cosines are the similarities of `similar_items`; absent for items with constant scores.

    Args:
        scorer: a trained model. If it has no vectors, the scores of at most 1,024 users are used, evenly spaced in their random order.
        n_users: the number of users of the model.
    """
    if vectors := scorer.vectors():
        centred = (vectors.users - vectors.users.mean(dim=0)).double()
        values, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
        found = vectors.items.double() @ (directions * values.clamp(min=0).sqrt())
    else:
        users = torch.linspace(0, n_users - 1, min(n_users, _MAX_USERS)).long()
        scores = scorer.score_users(users).double()
        found = (scores - scores.mean(dim=0)).T / len(users) ** 0.5
    deviations = found.square().sum(dim=1).sqrt()
    return Features(found.float(), deviations > _LEAST_SHARE * deviations.max(), "scores")


def _moments(
    scorer: TrainedScorer, asked: Int64[Tensor, " n"], n_users: int, max_scores: int
) -> tuple[Float[Tensor, "n n_items"], Float[Tensor, " n_items"]]:
    """The covariances of the scores of the given items with those of all items, and the variances of all items."""
    sums: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    products: Tensor | float = 0.0
    n_items = scorer.score_users(torch.zeros(1, dtype=torch.int64)).shape[1]
    for users in torch.arange(n_users).split(max(1, max_scores // n_items)):
        scores = scorer.score_users(users).double()
        sums, squares, products = sums + scores.sum(dim=0), squares + scores.square().sum(dim=0), products + scores[:, asked].T @ scores
    mean = torch.as_tensor(sums) / n_users
    return torch.as_tensor(products) / n_users - mean[asked][:, None] * mean, torch.as_tensor(squares) / n_users - mean.square()
