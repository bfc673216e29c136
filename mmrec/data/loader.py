"""Batches from a step of an epoch on, built in this process or by worker processes: the same batches either way, bit for bit."""

import copy
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class StepBatches(Protocol):
    """Batches of which each is a pure function of its epoch and its step."""

    epoch: Callable[[], int]

    def __len__(self) -> int:
        """Steps an epoch."""
        ...

    def batches(self, steps: range) -> Iterator[Any]:
        """The batches of these steps of the epoch."""
        ...


class BatchLoader:
    """One epoch at a time from the step `start()` on, which is 0 but where a run is resumed within an epoch.

    Both `start` and the epoch are asked when the first batch is. Of `n_workers` processes, each with one torch thread, the w-th builds
    every n-th batch from the w-th on; with 0 this process builds them all.
    """

    def __init__(self, batches: StepBatches, start: Callable[[], int], n_workers: int) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers: expected at least 0, came {n_workers}")
        self.batches, self.start, self.n_workers = batches, start, n_workers

    def __len__(self) -> int:
        """Steps of a whole epoch, wherever it starts."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        steps = range(self.start(), len(self))
        if not self.n_workers:
            yield from self.batches.batches(steps)
            return
        fixed = copy.copy(self.batches)
        fixed.epoch = partial(int, self.batches.epoch())  # a worker has no trainer to ask
        yield from DataLoader(
            _Share(fixed, steps),
            batch_size=None,
            num_workers=self.n_workers,
            collate_fn=_unchanged,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # it draws a seed for workers, which is not to come from the model's numbers
        )


class _Share(IterableDataset):
    """A worker's part of the steps. The loader asks the workers in turn, so the batches come in order."""

    def __init__(self, batches: StepBatches, steps: range) -> None:
        self.batches, self.steps = batches, steps

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        return self.batches.batches(self.steps[worker.id :: worker.num_workers])


def _unchanged(batch: Any) -> Any:
    return batch


def _start_worker(_: int) -> None:
    """One thread, and a session of its own: a signal to the whole group is the main process's to answer, which still needs its workers."""
    torch.set_num_threads(1)
    os.setsid()
