"""The batches of several tasks side by side: each step has one batch of every task."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmrec.data.batches.batch_factory import EvaluationRows
from mmrec.data.batches.loader import StepBatches


class TasksBatch(NamedTuple):
    """A batch of every task, with which one step is made."""

    parts: dict[str, Any]
    """By task."""
    weight: Tensor
    """Always 1: each part has a weight of its own."""


class InterleavedBatches:
    """The batches of several tasks. An epoch has as many steps as the task with the most batches has.

    A task with fewer batches starts its next epoch when it has none left: with n batches an epoch, step s of all epochs together takes
    batch `s mod n` of the task's epoch `s div n`. So each batch is a function of the step alone, and training resumes at any of them.

    Args:
        parts: the batches of each task.
        epoch: returns the current epoch.
    """

    def __init__(self, parts: Mapping[str, StepBatches], epoch: Callable[[], int] = lambda: 0) -> None:
        self._parts, self.epoch = dict(parts), epoch
        self._sizes = {name: len(one) for name, one in self._parts.items()}

    def __len__(self) -> int:
        """The number of steps per epoch; 0 if a task has no batches."""
        return max(self._sizes.values()) if min(self._sizes.values()) else 0

    def batches(self, steps: range) -> Iterator[TasksBatch]:
        """Yield the batches of these steps of the current epoch."""
        streams = {name: self._stream(name, steps) for name in self._parts}
        for _ in steps:
            yield TasksBatch({name: next(stream) for name, stream in streams.items()}, torch.ones(()))

    def _stream(self, name: str, steps: range) -> Iterator[Any]:
        part, size, first = self._parts[name], self._sizes[name], self.epoch() * len(self)
        wanted = range(first + steps.start, first + steps.stop, steps.step)
        while wanted:
            epoch = wanted[0] // size
            n = len(range(wanted[0], (epoch + 1) * size, steps.step))
            now, wanted = wanted[:n], wanted[n:]
            part.epoch = partial(int, epoch)
            yield from part.batches(range(now.start - epoch * size, now.stop - epoch * size, steps.step))


@dataclass(frozen=True)
class TasksRows:
    """The rows that several tasks are evaluated on."""

    parts: Mapping[str, Any]
    """By task."""

    def part(self, rank: int, world_size: int) -> "TasksRows":
        """Return the `rank`-th of `world_size` disjoint parts of the rows of every task."""
        return self._each(lambda rows: rows.part(rank, world_size))

    def to(self, device: torch.device) -> "TasksRows":
        """Return a copy on the given device."""
        return self._each(lambda rows: rows.to(device))

    def _each(self, change: Callable[[EvaluationRows], EvaluationRows]) -> "TasksRows":
        return TasksRows({name: change(rows) for name, rows in self.parts.items()})
