"""The users that a ranking is measured on, what is left out of their lists, and what counts as found."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix


@dataclass(frozen=True)
class EvaluationSet:
    """Users to rank for, what is left out of their lists, and what counts as found."""

    user_idx: Int64[Tensor, " n"]
    """Those with at least one positive, ascending."""
    seen: InteractionMatrix
    positives: InteractionMatrix

    @classmethod
    def build(cls, seen: InteractionMatrix, positives: InteractionMatrix) -> "EvaluationSet":
        """All users who have a positive."""
        return cls(positives.degree.nonzero().flatten(), seen, positives)

    def part(self, rank: int, world_size: int) -> "EvaluationSet":
        """The `rank`-th of `world_size` contiguous parts of the users; together they are all users, each once."""
        n = len(self.user_idx)
        return replace(self, user_idx=self.user_idx[n * rank // world_size : n * (rank + 1) // world_size])

    def thinned(self, max_scores: int) -> "EvaluationSet":
        """Every so manieth of the users by index, which is a random one, so that about `max_scores` pairs with items are left.

        The same users in the parts of several processes as in the whole.
        """
        n_users = int((self.positives.degree > 0).sum())
        step = -(-n_users * self.positives.n_items // max_scores)
        return self if step <= 1 else replace(self, user_idx=self.user_idx[self.user_idx % step == 0])

    def to(self, device: torch.device) -> "EvaluationSet":
        return EvaluationSet(self.user_idx.to(device), self.seen.to(device), self.positives.to(device))
