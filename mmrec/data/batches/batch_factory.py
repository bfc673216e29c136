"""What a task makes of interactions, as a data module asks for it: the batches of training, and what validation and test measure on.

A batch is a NamedTuple of tensors. One with `user_idx` and `item_idx`, row for row, can be told in messages by its users and rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch

from mmrec.data.batches.loader import StepBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import Interactions


@dataclass(frozen=True)
class SplitPart:
    """The interactions of one part of a split, and how many users and items the dataset has."""

    interactions: Interactions
    n_users: int
    n_items: int

    @cached_property
    def matrix(self) -> InteractionMatrix:
        """Who had which item."""
        return InteractionMatrix.from_pairs(self.interactions.user_idx, self.interactions.item_idx, self.n_users, self.n_items)


class BatchSettings(NamedTuple):
    """What the node `data_module` of a configuration says of batches; each task takes of it what it can use."""

    batch_of: str
    """`users`, with all of their rows each, or `interactions`."""
    batch_size: int
    n_negatives: int
    shared_negatives: bool
    seed: int


class Place(NamedTuple):
    """Whose batches are wanted: of which epoch, and of which of several processes that share each batch."""

    epoch: Callable[[], int] = lambda: 0
    """Asked when an epoch begins."""
    rank: int = 0
    world_size: int = 1


class EvaluationRows(Protocol):
    """What a task measures on, such as `mmrec.data.batches.evaluation_set.EvaluationSet`."""

    def part(self, rank: int, world_size: int) -> Self:
        """Return the `rank`-th of `world_size` contiguous parts; together they are all rows, each once."""
        ...

    def to(self, device: torch.device) -> Self:
        """Return the same on a device."""
        ...


@runtime_checkable
class BatchFactory(Protocol):
    """A task, as a data module sees it."""

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> StepBatches:
        """Return the training batches, each a pure function of seed, epoch and step."""
        ...

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationRows:
        """Return what is measured on, given all parts that come before the one that is held out."""
        ...
