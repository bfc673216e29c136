"""Batches of single interactions with all of their columns, for tasks such as rating and click prediction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.batches.batch_factory import Place
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.types import Interactions


class InteractionBatch(NamedTuple):
    """A batch of interactions; columns that the files lack are None, see `mmrec.types.Interactions`."""

    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    weight: Float[Tensor, ""]
    """The weight of this process's mean loss in the mean over processes."""
    timestamp: Int64[Tensor, " n"] | None = None
    rating: Float[Tensor, " n"] | None = None
    label: Float[Tensor, " n"] | None = None
    event: Int64[Tensor, " n"] | None = None
    position: Int64[Tensor, " n"] | None = None

    def as_positives(self) -> TrainBatch:
        """Return the batch in the format of ranking models: each row is a positive of a user of its own, without negatives."""
        n, device = len(self.user_idx), self.user_idx.device
        none = torch.empty((n, 0), dtype=torch.int64, device=device)
        row, noise = torch.arange(n, device=device), torch.ones(n, device=device)
        return TrainBatch(self.user_idx, row, self.item_idx, none, none.bool(), noise, self.weight)


class InteractionBatches:
    """The batches of one epoch at a time: every row once, shuffled, `batch_size` per batch, of which each process gets its share."""

    def __init__(self, rows: Interactions, batch_size: int, seed: int, place: Place) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self.epoch: Callable[[], int] = place.epoch
        self.rank, self.world_size = place.rank, place.world_size

    def __len__(self) -> int:
        """The number of steps per epoch; the last batch may be smaller."""
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[InteractionBatch]:
        return self.batches(range(len(self)))

    def batches(self, steps: range) -> Iterator[InteractionBatch]:
        """Yield the batches of these steps of the current epoch."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch()) % 2**63)
        order = torch.randperm(len(self.rows), generator=generator)
        for step in steps:
            whole = order[step * self.batch_size : (step + 1) * self.batch_size]
            n = len(whole)
            mine = whole[n * self.rank // self.world_size : n * (self.rank + 1) // self.world_size]
            rows, weight = self.rows.take(mine), torch.tensor(len(mine) * self.world_size / n)
            known = rows.timestamp, rows.rating, rows.label, rows.event, rows.position
            yield InteractionBatch(rows.user_idx, rows.item_idx, weight, *known)


@dataclass(frozen=True)
class HeldOutRows:
    """Interactions to evaluate on, sorted by user."""

    rows: Interactions

    @classmethod
    def build(cls, rows: Interactions, wanted: Bool[Tensor, " n"]) -> "HeldOutRows":
        """Select the rows where `wanted` is True, for example those with a rating."""
        kept = wanted.nonzero().flatten()
        return cls(rows.take(kept[rows.user_idx[kept].argsort(stable=True)]))

    @property
    def user_idx(self) -> Int64[Tensor, " n_users"]:
        """The distinct users, ascending."""
        user_idx: Tensor = self.rows.user_idx.unique_consecutive()
        return user_idx

    def part(self, rank: int, world_size: int) -> "HeldOutRows":
        """Return the rows of the `rank`-th of `world_size` contiguous parts of the users."""
        users = self.user_idx
        mine = users[len(users) * rank // world_size : len(users) * (rank + 1) // world_size]
        return HeldOutRows.build(self.rows, torch.isin(self.rows.user_idx, mine))

    def to(self, device: torch.device) -> "HeldOutRows":
        return HeldOutRows(self.rows.to(device))
