"""The evaluation set of ranking: users, the seen items excluded from their rankings, and their positives."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix


@dataclass(frozen=True)
class EvaluationSet:
    """Users to rank items for, the seen items excluded from their rankings, and their positives."""

    user_idx: Int64[Tensor, " n"]
    """The users with at least one positive, ascending."""
    seen: InteractionMatrix
    positives: InteractionMatrix
    histories: Histories | None = None
    """Everything that users had before, by user, where that represents them instead of what they had in training."""

    @classmethod
    def build(cls, seen: InteractionMatrix, positives: InteractionMatrix, histories: Histories | None = None) -> "EvaluationSet":
        """Select all users with at least one positive."""
        return cls(positives.degree.nonzero().flatten(), seen, positives, histories)

    def part(self, rank: int, world_size: int) -> "EvaluationSet":
        """The `rank`-th of `world_size` disjoint contiguous parts of the users, which together contain all users."""
        n = len(self.user_idx)
        return replace(self, user_idx=self.user_idx[n * rank // world_size : n * (rank + 1) // world_size])

    def subsampled(self, max_scores: int) -> "EvaluationSet":
        """Subsample the users, so that about `max_scores` user-item pairs remain.

        Keeps the users whose index is a multiple of a step, a random sample since indices are random. Parts of several processes together
        keep the same users as a single process.
        """
        n_users = int((self.positives.degree > 0).sum())
        step = -(-n_users * self.positives.n_items // max_scores)
        return self if step <= 1 else replace(self, user_idx=self.user_idx[self.user_idx % step == 0])

    def to(self, device: torch.device) -> "EvaluationSet":
        histories = None if self.histories is None else self.histories.to(device)
        return EvaluationSet(self.user_idx.to(device), self.seen.to(device), self.positives.to(device), histories)
