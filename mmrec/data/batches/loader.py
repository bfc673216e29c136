"""Load batches from any step of an epoch on, built in this process or by worker processes with bitwise identical results."""

import copy
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset


class StepBatches(Protocol):
    """Batches, each of which is a pure function of its epoch and step."""

    epoch: Callable[[], int]

    def __len__(self) -> int:
        """The number of steps per epoch."""
        ...

    def batches(self, steps: range) -> Iterator[Any]:
        """Yield the batches of these steps of the current epoch."""
        ...


class BatchLoader:
    """Iterates over the batches of one epoch at a time.

    Args:
        batches: builds the batches; its `epoch` is read when an iteration starts.
        start: returns the step to start from: 0, unless training is resumed within an epoch.
        n_workers: worker processes with one torch thread each; worker w builds the steps w, w + n, w + 2n, … They start with the first
            epoch and stop at `close`. With 0, this process builds the batches.
    """

    def __init__(self, batches: StepBatches, start: Callable[[], int], n_workers: int) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers: expected at least 0, found {n_workers}")
        self.batches, self.start, self.n_workers = batches, start, n_workers
        self._wanted: list[tuple[int, int]] = []
        self._workers: DataLoader[Any] | None = None

    def __len__(self) -> int:
        """The number of steps of a whole epoch, regardless of the start."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        epoch, steps = self.batches.epoch(), range(self.start(), len(self))
        if not self.n_workers:
            yield from self.batches.batches(steps)
            return
        self._wanted[:] = [(epoch, step) for step in steps]
        if self._workers is None:
            self._workers = self._started()
        yield from self._workers

    def close(self) -> None:
        """Stop the worker processes; iterating again starts new ones."""
        self._workers = None

    def _started(self) -> DataLoader[Any]:
        return DataLoader(
            _Worker(self.batches, self.n_workers),
            sampler=self._wanted,
            batch_size=None,
            num_workers=self.n_workers,
            collate_fn=_unchanged,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # seeds the workers without advancing the global generator
            persistent_workers=True,
            # A fork while a thread of a process group calls Python copies a locked lock that is never released (CPython issue 112275).
            multiprocessing_context="spawn" if dist.is_available() and dist.is_initialized() else None,
        )


class _Worker(Dataset[Any]):
    """Builds the batch of an (epoch, step) pair. Every n-th step, requested in order, takes a single pass over the epoch."""

    def __init__(self, batches: StepBatches, n_workers: int) -> None:
        self.batches, self.n_workers = copy.copy(batches), n_workers
        self._stream: Iterator[Any] = iter(())
        self._expected: tuple[int, int] | None = None
        self.batches.epoch = partial(int, 0)  # a worker has no trainer

    def __getitem__(self, wanted: tuple[int, int]) -> Any:
        epoch, step = wanted
        if wanted != self._expected:
            self.batches.epoch = partial(int, epoch)
            self._stream = self.batches.batches(range(step, len(self.batches), self.n_workers))
        self._expected = epoch, step + self.n_workers
        return next(self._stream)


def _unchanged(batch: Any) -> Any:
    return batch


def _start_worker(_: int) -> None:
    """Use one thread, and a new session: on a signal to the process group, the main process decides and still needs its workers."""
    torch.set_num_threads(1)
    os.setsid()


class OneBatch:
    """A loader with a single batch. A list would not do: Lightning treats it as a collection of loaders."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter([self.batch])
