"""Ranking losses: pure functions of the scores of positives and of sampled negatives.

Each takes `positive: (n,)`, the score of every positive of a batch of users; `row: (n,)`, the position of its user in the batch;
`negative: (users, pool)`, the scores of each user's negatives; and `valid: (users, pool)`, False where an item of a shared pool is a
training positive of that user. It gives a scalar: the mean over positives, 0 where there is none.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.nn.look_up import look_up


def bpr(
    positive: Float[Tensor, " n"],
    row: Int64[Tensor, " n"],
    negative: Float[Tensor, "users pool"],
    valid: Bool[Tensor, "users pool"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Bayesian personalised ranking (Rendle et al. 2009, BPR-OPT): `-mean ln σ((s⁺ - s⁻) / temperature)` over positives and their user's
    valid negatives.

    Memory is positives times pool: meant for few negatives a user.
    """
    counted = valid[row]
    losses = F.softplus((look_up(negative, row) - positive[:, None]) / temperature) * counted
    return _mean(losses.sum(dim=1) / counted.sum(dim=1).clamp(min=1))


def sampled_softmax(
    positive: Float[Tensor, " n"],
    row: Int64[Tensor, " n"],
    negative: Float[Tensor, "users pool"],
    valid: Bool[Tensor, "users pool"],
    temperature: float = 0.15,
) -> Float[Tensor, ""]:
    """Softmax cross-entropy of each positive among itself and its user's valid negatives, `-mean ln (e^s⁺ / (e^s⁺ + Σ e^s⁻))`, with `s`
    the scores over the temperature (of cosines: SSM, Wu et al. 2022, "On the Effectiveness of Sampled Softmax Loss").

    Computed as `softplus(ln Σ e^s⁻ - s⁺)`, so the negatives are summed once a user. They are drawn uniformly: the logQ correction
    (Bengio & Senécal 2008) is one constant for all of them and is left out. A user without a valid negative adds nothing.
    """
    log_sum = torch.logsumexp((negative / temperature).masked_fill(~valid, -torch.inf), dim=1)
    return _mean(F.softplus(look_up(log_sum[:, None], row)[:, 0] - positive / temperature))


def warp(
    positive: Float[Tensor, " n"],
    row: Int64[Tensor, " n"],
    negative: Float[Tensor, "users pool"],
    valid: Bool[Tensor, "users pool"],
    margin: float = 1.0,
) -> Float[Tensor, ""]:
    """Weighted approximate-rank pairwise loss (Weston et al. 2011, "WSABIE"; as LightFM, Kula 2015): the hinge of each positive
    with the first negative that violates its margin, times `ln(1 + m / k)` where it is the k-th of m valid ones.

    Negatives are taken in the order of the pool, which must be random. A positive without a violating one adds nothing.
    """
    counted = valid[row]
    hinge = (margin - positive[:, None] + look_up(negative, row)) * counted
    violates = hinge > 0
    first = violates.int().argmax(dim=1, keepdim=True)
    tried = counted.cumsum(dim=1).gather(1, first).squeeze(1)
    weight = torch.log1p(counted.sum(dim=1) / tried.clamp(min=1)) * violates.any(dim=1)
    return _mean(weight * hinge.gather(1, first).squeeze(1).clamp(min=0))


def _mean(losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """The mean, and of nothing 0: the part of a small batch that a process gets may be empty, and NaN times its weight of 0 is NaN."""
    return losses.sum() / max(len(losses), 1)
