"""Training batches for ranking: positives and sampled negatives, as a pure function of (seed, epoch, step)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.batches.negatives import draw_distinct, sample_rejecting
from mmrec.data.interactions.matrix import InteractionMatrix


class TrainBatch(NamedTuple):
    """Users with all of their positives, and with shared or individual negatives.

    A batch of single interactions has the same format: users repeat, each with one positive and negatives of its own.
    """

    user_idx: Int64[Tensor, " users"]
    row: Int64[Tensor, " n"]
    """The position in `user_idx` of each positive's user."""
    item_idx: Int64[Tensor, " n"]
    """The positives."""
    negatives: Int64[Tensor, " pool"] | Int64[Tensor, "users pool"]
    valid: Bool[Tensor, "users pool"]
    """False where a shared negative is a training positive of the user."""
    noise: Float[Tensor, " n"]
    """A uniform number in [0, 1) per positive, which decides whether it is dropped from its user's history in this step."""
    weight: Float[Tensor, ""]
    """The weight of this process's mean loss in the mean over processes: 1 if all processes have equally many positives."""
    distinct: Int64[Tensor, " distinct"] | None = None
    """The distinct items among positives and negatives, ascending; None if they are at least half of the catalogue or were not computed."""

    def renumbered(self) -> "TrainBatch":
        """The batch with items replaced by their positions in `distinct`; unchanged if that is None."""
        if self.distinct is None:
            return self
        item_idx, negatives = (torch.searchsorted(self.distinct, items) for items in (self.item_idx, self.negatives))
        return self._replace(item_idx=item_idx, negatives=negatives, distinct=None)


class TrainBatches:
    """The batches of one epoch at a time: every user with training interactions once, shuffled, with fresh negatives.

    A batch contains `batch_size` users with all of their positives, so a user is scored against the negatives once rather than once per
    positive. Negatives are drawn from the items that occur in training, so cold items are never used as negatives. With several processes,
    each gets a contiguous part of every global batch; the weighted mean of their gradients equals the gradient of a single process.

    Args:
        positives: the training interactions.
        batch_size: users per global batch.
        n_negatives: negatives per batch if shared, else per user.
        shared: whether the users of a batch share one set of distinct negatives (all candidates, if `n_negatives` reaches their number),
            with each user's own positives masked by `valid`.
        seed: of shuffling and sampling.
        epoch: returns the current epoch.
        rank: the index of this process.
        world_size: the number of processes.
    """

    def __init__(
        self,
        positives: InteractionMatrix,
        batch_size: int,
        n_negatives: int,
        shared: bool,
        seed: int,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.positives = positives
        self.batch_size, self.n_negatives, self.shared, self.seed = batch_size, n_negatives, shared, seed
        self.epoch, self.rank, self.world_size = epoch, rank, world_size
        self._users = positives.degree.nonzero().flatten()
        self._candidates = positives.item_degree.nonzero().flatten()
        self._column = torch.full((positives.n_items,), -1)
        """For each item its position in the current pool, else -1. Allocated once: a step's cost is independent of the catalogue."""

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore in a worker process: read-only tensors stay in shared memory, the scratch buffer is copied."""
        self.__dict__.update(state)
        self._column = self._column.clone()

    def draw_from(self, candidates: Int64[Tensor, " n_candidates"]) -> None:
        """Draw negatives from these items, instead of those with interactions among the positives."""
        self._candidates = candidates

    def __len__(self) -> int:
        """The number of steps per epoch; the last batch may be smaller."""
        return -(-len(self._users) // self.batch_size)

    def __iter__(self) -> Iterator[TrainBatch]:
        return self.batches(range(len(self)))

    def batches(self, steps: range) -> Iterator[TrainBatch]:
        """Yield the batches of these steps of the current epoch. No batch depends on others having been drawn."""
        order = self._users[torch.randperm(len(self._users), generator=self._generator(0))]
        for step in steps:
            yield self._batch(order[step * self.batch_size : (step + 1) * self.batch_size], self._generator(step + 1))

    def _batch(self, users: Tensor, generator: torch.Generator) -> TrainBatch:
        part = slice(len(users) * self.rank // self.world_size, len(users) * (self.rank + 1) // self.world_size)
        mine = users[part]
        row, item = self.positives.rows(mine)
        counts = self.positives.degree[users]
        weight = torch.tensor(len(row) * self.world_size / int(counts.sum()))
        noise = torch.rand(int(counts.sum()), generator=generator)[int(counts[: part.start].sum()) :][: len(row)]
        if self.shared:
            n = min(self.n_negatives, len(self._candidates))
            pool = self._candidates[draw_distinct(len(self._candidates), n, generator)]
            return TrainBatch(mine, row, item, pool, self._not_positive(mine, pool), noise, weight, self._distinct(item, pool))
        negatives = sample_rejecting(self.positives, users, self.n_negatives, self._candidates, generator)[part]
        valid = torch.ones_like(negatives, dtype=torch.bool)
        return TrainBatch(mine, row, item, negatives, valid, noise, weight, self._distinct(item, negatives))

    def _distinct(self, item: Tensor, negatives: Tensor) -> Int64[Tensor, " distinct"] | None:
        """`TrainBatch.distinct`, computed here and not by the model because its size would force a GPU synchronisation there."""
        n_items = self.positives.n_items
        if self.shared and 2 * len(negatives) >= n_items:
            return None
        distinct = torch.unique(torch.cat([item, negatives.flatten()]))
        return distinct if 0 < 2 * len(distinct) < n_items else None

    def _not_positive(self, users: Tensor, pool: Tensor) -> Bool[Tensor, "users pool"]:
        """A mask of the pool items that are not training positives of each user, in time linear in the users' histories and the mask."""
        self._column[pool] = torch.arange(len(pool))
        row, item = self.positives.rows(users)
        column = self._column[item]
        hit = column >= 0
        valid = torch.ones((len(users), len(pool)), dtype=torch.bool)
        valid[row[hit], column[hit]] = False
        self._column[pool] = -1
        return valid

    def _generator(self, step: int) -> torch.Generator:
        return _generator(self.seed, self.epoch(), step)


class PairBatches:
    """The batches of one epoch at a time: every interaction once, shuffled, each with `n_negatives` of its own.

    All negatives of an epoch are drawn at its start, which takes memory linear in interactions times negatives, so that a step only slices
    tensors. They are drawn from the items that occur in training and are not training positives of the user. Each process gets a contiguous
    part of every global batch.

    Args:
        positives: the training interactions.
        batch_size: interactions per global batch.
        n_negatives: negatives per interaction.
        seed: of shuffling and sampling.
        epoch: returns the current epoch.
        rank: the index of this process.
        world_size: the number of processes.
        skip_saturated: whether to leave out users who have interacted with every candidate, which is an error otherwise.
    """

    def __init__(
        self,
        positives: InteractionMatrix,
        batch_size: int,
        n_negatives: int,
        seed: int,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
        skip_saturated: bool = False,
    ) -> None:
        self.positives, self.batch_size, self.n_negatives, self.seed = positives, batch_size, n_negatives, seed
        self.epoch, self.rank, self.world_size = epoch, rank, world_size
        self._candidates = positives.item_degree.nonzero().flatten()
        self._most = len(self._candidates) - 1 if skip_saturated else positives.n_items
        """Users with more items than this are left out."""

    def draw_from(self, candidates: Int64[Tensor, " n_candidates"]) -> None:
        """Draw negatives from these items, instead of those with interactions among the positives."""
        self._candidates = candidates

    def __len__(self) -> int:
        """The number of steps per epoch; the last batch may be smaller."""
        degree = self.positives.degree
        return -(-int(degree[degree <= self._most].sum()) // self.batch_size)

    def __iter__(self) -> Iterator[TrainBatch]:
        return self.batches(range(len(self)))

    def batches(self, steps: range) -> Iterator[TrainBatch]:
        """Yield the batches of these steps of the current epoch."""
        generator = _generator(self.seed, self.epoch(), 0)
        keys = self.positives.keys()
        keys = keys[(self.positives.degree <= self._most)[keys // self.positives.n_items]]
        keys = keys[torch.randperm(len(keys), generator=generator)]
        user_idx, item_idx = keys // self.positives.n_items, keys % self.positives.n_items
        negatives = sample_rejecting(self.positives, user_idx, self.n_negatives, self._candidates, generator)
        n_most = min(self.batch_size, len(keys))
        row, valid, noise = torch.arange(n_most), torch.ones((n_most, self.n_negatives), dtype=torch.bool), torch.zeros(n_most)
        for step in steps:
            start = step * self.batch_size
            n = min(self.batch_size, len(keys) - start)
            part = slice(start + n * self.rank // self.world_size, start + n * (self.rank + 1) // self.world_size)
            mine = part.stop - part.start
            weight = torch.tensor(mine * self.world_size / n)
            yield TrainBatch(user_idx[part], row[:mine], item_idx[part], negatives[part], valid[:mine], noise[:mine], weight)


def _generator(seed: int, epoch: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(((seed * 1_000_003 + epoch) * 1_000_003 + step) % 2**63)
