"""Greedy selection: the loop that all reranking methods share. They differ in the gain of a candidate given the items chosen before."""

from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Gain(Protocol):
    """The gain of adding each candidate to the lists chosen so far."""

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float[Tensor, "n_users m"]:
        """The gains of all candidates; those of candidates that are not available are ignored, and -inf excludes one."""

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        """Add the candidate at a position to the list of each user."""


def select(gain: Gain, available: Bool[Tensor, "n_users m"], k: int) -> Int64[Tensor, "n_users k"]:
    """Choose k times the candidate with the largest gain, without repetition; ties are broken by position.

    Args:
        gain: the gains, updated after each choice.
        available: the candidates of each user.
        k: the length of the lists.

    Returns:
        Positions of candidates in the order of choice; -1 once none is left.
    """
    available, chosen = available.clone(), available.new_full((len(available), k), -1, dtype=torch.int64)
    for place in range(min(k, available.shape[1])):
        best = gain.values(available).masked_fill_(~available, -torch.inf).max(dim=1)  # the first of equal values
        found = best.values > -torch.inf
        chosen[:, place] = torch.where(found, best.indices, -1)
        if place + 1 < k:
            available.scatter_(1, best.indices[:, None], False)
            gain.add(best.indices)
    return chosen
