"""The interface between tasks and data modules: a task makes training batches and evaluation sets out of the parts of a split.

A batch is a NamedTuple of tensors. If it has aligned `user_idx` and `item_idx`, error messages can name its users and rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.batches.loader import StepBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import Interactions


@dataclass(frozen=True)
class SplitPart:
    """The interactions of one part of a split, and the numbers of users and items in the dataset."""

    interactions: Interactions
    n_users: int
    n_items: int
    candidates: Int64[Tensor, " n_candidates"] | None = None
    """The items that negatives of a training part are drawn from; None: those with interactions in it."""

    @cached_property
    def matrix(self) -> InteractionMatrix:
        """The binary user-item matrix of the interactions."""
        return InteractionMatrix.from_pairs(self.interactions.user_idx, self.interactions.item_idx, self.n_users, self.n_items)


class BatchSettings(NamedTuple):
    """The settings of batches in the configuration node `data_module`; each task uses those that apply to it."""

    batch_of: str
    """`users`: users with all of their positives; or `interactions`: single rows."""
    batch_size: int
    n_negatives: int
    shared_negatives: bool
    seed: int


class Place(NamedTuple):
    """The position of a process in training: the current epoch, and its share of every batch."""

    epoch: Callable[[], int] = lambda: 0
    """Returns the current epoch; called when an epoch begins."""
    rank: int = 0
    world_size: int = 1


class EvaluationRows(Protocol):
    """The rows that a task is evaluated on, for example `mmrec.data.batches.evaluation_set.EvaluationSet`."""

    def part(self, rank: int, world_size: int) -> Self:
        """Return the `rank`-th of `world_size` disjoint contiguous parts, which together contain all rows."""
        ...

    def to(self, device: torch.device) -> Self:
        """Return a copy on the given device."""
        ...


@runtime_checkable
class BatchFactory(Protocol):
    """The part of a task's interface that a data module uses."""

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> StepBatches:
        """Return the training batches, each a pure function of seed, epoch and step."""
        ...

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationRows:
        """Return the evaluation set of a held-out part, given all parts of the split before it."""
        ...
