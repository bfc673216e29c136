"""Users' interaction histories in chronological order: the input of models for users they were not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import Features, Interactions


@dataclass(frozen=True)
class Histories:
    """The items of users from oldest to newest, in CSR layout: those of user u are `item_idx[indptr[u] : indptr[u + 1]]`."""

    indptr: Int64[Tensor, " n_users_plus_1"]
    item_idx: Int64[Tensor, " n"]
    timestamp: Int64[Tensor, " n"] | None = None
    """Seconds UTC; None if only the order is known."""
    profiles: dict[str, Features] = field(default_factory=dict)
    """Further features of the users by modality, one row per user. Models may ignore them, as they may ignore times."""

    @classmethod
    def from_lists(cls, histories: Sequence[Sequence[int]]) -> Self:
        """Build histories from lists of `item_idx`."""
        counts = torch.tensor([0, *(len(items) for items in histories)])
        return cls(counts.cumsum(0), torch.tensor([item for items in histories for item in items], dtype=torch.int64))

    @classmethod
    def from_events(cls, events: Interactions, n_users: int) -> Self:
        """Sort every user's events by time, ties by `item_idx`; by `item_idx` alone if there are no times."""
        order = torch.argsort(events.item_idx, stable=True)
        for key in (events.timestamp, events.user_idx):
            if key is not None:
                order = order[torch.argsort(key[order], stable=True)]
        counts = torch.bincount(events.user_idx, minlength=n_users)
        timestamp = None if events.timestamp is None else events.timestamp[order]
        return cls(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), events.item_idx[order], timestamp)

    def __len__(self) -> int:
        """The number of users."""
        return len(self.indptr) - 1

    def of(self, user_idx: Int64[Tensor, " batch"]) -> Self:
        """The histories of some users, in that order. Profiles are left out."""
        counts = self.n_events[user_idx]
        ends = counts.cumsum(0)
        place = torch.arange(int(counts.sum()), device=ends.device) + torch.repeat_interleave(self.indptr[user_idx] - ends + counts, counts)
        timestamp = None if self.timestamp is None else self.timestamp[place]
        return type(self)(torch.cat([ends.new_zeros(1), ends]), self.item_idx[place], timestamp)

    @property
    def n_events(self) -> Int64[Tensor, " n_users"]:
        """The length of each history, with repeated items counted each time."""
        return self.indptr.diff()

    def matrix(self, n_items: int) -> InteractionMatrix:
        """The binary user-item matrix, without order and repetitions."""
        user_idx = torch.repeat_interleave(torch.arange(len(self), device=self.indptr.device), self.n_events)
        return InteractionMatrix.from_pairs(user_idx, self.item_idx, len(self), n_items)

    def to(self, device: torch.device) -> Self:
        """Copy to a device; profiles stay where they are."""
        timestamp = None if self.timestamp is None else self.timestamp.to(device)
        return type(self)(self.indptr.to(device), self.item_idx.to(device), timestamp, self.profiles)
