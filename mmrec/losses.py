"""Ranking losses: pure functions of the scores of positives and of sampled negatives.

Each takes `positive: (batch,)`, `negative: (batch, n)` and `valid: (batch, n)`, which is False where a negative shared by the batch
happens to be a training positive of that row's user, and gives a scalar: the mean over rows.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def bpr(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, "batch n"], valid: Bool[Tensor, "batch n"]
) -> Float[Tensor, ""]:
    """Bayesian personalised ranking, `-mean ln σ(s⁺ - s⁻)` (Rendle et al. 2009, BPR-OPT), averaged over a row's valid negatives."""
    losses = F.softplus(negative - positive[:, None]) * valid
    return (losses.sum(dim=1) / valid.sum(dim=1).clamp(min=1)).mean()


def sampled_softmax(
    positive: Float[Tensor, " batch"], negative: Float[Tensor, "batch n"], valid: Bool[Tensor, "batch n"]
) -> Float[Tensor, ""]:
    """Softmax cross-entropy of the positive among itself and its valid negatives, `-mean ln (e^s⁺ / (e^s⁺ + Σ e^s⁻))`.

    Negatives are drawn uniformly, so the logQ correction (Bengio & Senécal 2008) is one constant for all of them and is left out.
    """
    masked = negative.masked_fill(~valid, -torch.inf)
    return (torch.logsumexp(torch.cat([positive[:, None], masked], dim=1), dim=1) - positive).mean()
