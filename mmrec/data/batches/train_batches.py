"""Batches: which interactions, in which order, against which negatives, a pure function of (seed, epoch, step); and evaluation sets."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.batches.negatives import draw_distinct, sample_rejecting
from mmrec.data.interactions.matrix import InteractionMatrix


class TrainBatch(NamedTuple):
    """Some users with all of their positives, and the negatives that they share or have for their own.

    A batch of single interactions is one too: its users repeat, and each has the one positive and negatives of its own.
    """

    user_idx: Int64[Tensor, " users"]
    row: Int64[Tensor, " n"]
    """Of each positive, the position of its user in `user_idx`."""
    item_idx: Int64[Tensor, " n"]
    """The positives."""
    negatives: Int64[Tensor, " pool"] | Int64[Tensor, "users pool"]
    valid: Bool[Tensor, "users pool"]
    """False where a negative of the shared pool is a training positive of that user."""
    noise: Float[Tensor, " n"]
    """One uniform number in [0, 1) a positive: whether it is dropped from its user's history in this step."""
    weight: Float[Tensor, ""]
    """What the mean loss of this part counts in the mean over processes: 1 where all parts have equally many positives."""
    distinct: Int64[Tensor, " distinct"] | None = None
    """The items among positives and negatives, ascending and each once; None where they are half of the catalogue, or nobody counted."""

    def renumbered(self) -> "TrainBatch":
        """The batch with items as positions in `distinct`; the batch itself where there is none."""
        if self.distinct is None:
            return self
        item_idx, negatives = (torch.searchsorted(self.distinct, items) for items in (self.item_idx, self.negatives))
        return self._replace(item_idx=item_idx, negatives=negatives, distinct=None)


class TrainBatches:
    """One epoch of training batches at a time: every user with a training interaction once, shuffled, with fresh negatives.

    A batch is `batch_size` users with all of their positives, so a user is scored against the negatives once and not once a positive.
    Negatives come from the items that occur in training only: an item held out as cold is never taught to be disliked.
    With `shared`, all users of a batch share one pool of distinct negatives (all candidates, if `n_negatives` reaches their number) and
    `valid` masks a user's own positives; otherwise every user has `n_negatives` of their own. A process of several (`rank`, `world_size`)
    gets its contiguous part of every global batch, so the weighted mean of their gradients is the gradient of one process.
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
        """Of each item its place in the pool at hand, -1 between batches: made once, as a step's work must not grow with the catalogue."""

    def __setstate__(self, state: dict[str, object]) -> None:
        """In another process: what is only read is shared memory, what is written to is its own."""
        self.__dict__.update(state)
        self._column = self._column.clone()

    def __len__(self) -> int:
        """Steps an epoch; the last batch may be smaller."""
        return -(-len(self._users) // self.batch_size)

    def __iter__(self) -> Iterator[TrainBatch]:
        return self.batches(range(len(self)))

    def batches(self, steps: range) -> Iterator[TrainBatch]:
        """Those of these steps of the epoch alone: no batch depends on another having been drawn."""
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
        """`TrainBatch.distinct`, found here and not by a model: on a GPU its size would have to be waited for."""
        n_items = self.positives.n_items
        if self.shared and 2 * len(negatives) >= n_items:
            return None
        distinct = torch.unique(torch.cat([item, negatives.flatten()]))
        return distinct if 0 < 2 * len(distinct) < n_items else None

    def _not_positive(self, users: Tensor, pool: Tensor) -> Bool[Tensor, "users pool"]:
        """Which items of the pool are no training positive of each user. Work is linear in the users' histories and in the mask."""
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
    """One epoch of training batches at a time: every interaction once, shuffled, `batch_size` a batch, each with its own `n_negatives`.

    The negatives of an epoch are drawn at its beginning, which takes memory linear in interactions times negatives, so that a step only
    slices. They come from the items that occur in training, and none is a training positive of its user. A process of several gets its
    contiguous part of every global batch. A user who has interacted with all that can be a negative is an error, or left out with
    `skip_saturated`.
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
        """Users with more items than that are left out."""

    def __len__(self) -> int:
        """Steps an epoch; the last batch may be smaller."""
        degree = self.positives.degree
        return -(-int(degree[degree <= self._most].sum()) // self.batch_size)

    def __iter__(self) -> Iterator[TrainBatch]:
        return self.batches(range(len(self)))

    def batches(self, steps: range) -> Iterator[TrainBatch]:
        """Those of these steps of the epoch."""
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
