"""Ranking losses, pure functions of the scores of positives and sampled negatives; and the contrastive loss of two views of things.

Args common to all ranking losses:
    positive: `(n,)`, the scores of all positives in a batch of users.
    row: `(n,)`, the position of each positive's user in the batch.
    negative: `(users, pool)`, the scores of each user's negatives.
    valid: `(users, pool)`, False where an item of a shared pool is a training positive of the user.

Each returns a scalar: the mean over positives, or 0 if there are none.
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
    """Bayesian personalised ranking: `-mean ln σ((s⁺ - s⁻) / temperature)` over positives and their user's valid negatives.

    BPR-OPT of Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009. Memory is proportional to positives
    times pool, so it is meant for few negatives per user.
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
    """Softmax cross-entropy of each positive against its user's valid negatives: `-mean ln (e^s⁺ / (e^s⁺ + Σ e^s⁻))`.

    `s` are the scores divided by the temperature. With cosine similarities it is the SSM loss of Wu et al. 2022, "On the Effectiveness of
    Sampled Softmax Loss". Computed as `softplus(ln Σ e^s⁻ - s⁺)`, so that negatives are summed once per user. Since negatives are drawn
    uniformly, the logQ correction (Bengio & Senécal 2008) is constant and left out. Users without valid negatives contribute nothing.
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
    """Weighted approximate-rank pairwise loss: the hinge of each positive with its first violating negative, times `ln(1 + m / k)`.

    k is the number of valid negatives tried, of m. Weston et al., "WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011, as
    in LightFM (Kula 2015). Negatives are tried in the order of the pool, which must be random. Positives without a violating negative
    contribute nothing.
    """
    counted = valid[row]
    hinge = (margin - positive[:, None] + look_up(negative, row)) * counted
    violates = hinge > 0
    first = violates.int().argmax(dim=1, keepdim=True)
    tried = counted.cumsum(dim=1).gather(1, first).squeeze(1)
    weight = torch.log1p(counted.sum(dim=1) / tried.clamp(min=1)) * violates.any(dim=1)
    return _mean(weight * hinge.gather(1, first).squeeze(1).clamp(min=0))


def contrastive_loss(
    images: Float[Tensor, "batch dim"], texts: Float[Tensor, "batch dim"], logit_scale: Float[Tensor, ""] | float
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: the mean of the cross-entropies of the matching text per picture, and of the matching picture per text."""
    logits = logit_scale * images @ texts.T
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def _mean(losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """The mean, or 0 for an empty tensor: a process may get an empty part of a small batch, and NaN times its weight of 0 is NaN."""
    return losses.sum() / max(len(losses), 1)
