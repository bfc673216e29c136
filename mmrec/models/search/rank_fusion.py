"""Reciprocal rank fusion of two rankings."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def rank_items(scores: Float[Tensor, "n n_items"]) -> Float[Tensor, "n n_items"]:
    """Return the rank of each item in its row, from 1 for the highest score; ties are in the order of the items.

    >>> rank_items(torch.tensor([[0.1, 0.9, 0.1]]))
    tensor([[2., 1., 3.]])
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(1, scores.shape[1] + 1, dtype=torch.float32, device=scores.device)
    return torch.empty_like(scores, dtype=torch.float32).scatter_(1, order, ranks.expand(scores.shape))


def fuse_ranks(
    ours: Float[Tensor, "n n_items"], words: Float[Tensor, "n n_items"], match: Bool[Tensor, "n n_items"], weight: float, constant: float
) -> Float[Tensor, "n n_items"]:
    """Return `(1 - weight) / (constant + rank)` by our ranks, plus `weight / (constant + rank)` by the ranks of `words` for a match.

    Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009, where
    the constant is 60 and both weights are equal.

    >>> ours, words = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 1.0]])
    >>> fuse_ranks(ours, words, torch.tensor([[False, True]]), weight=0.5, constant=1.0)
    tensor([[0.2500, 0.4167]])
    """
    fused: Tensor = (1 - weight) / (constant + ours) + weight / (constant + words) * match
    return fused
