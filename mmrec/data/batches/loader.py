"""Batches from a step of an epoch on, built in this process or by worker processes: the same batches either way, bit for bit."""

import copy
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset


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
    every n-th batch from the w-th on; with 0 this process builds them all. They start with the first epoch and end with `close`.
    """

    def __init__(self, batches: StepBatches, start: Callable[[], int], n_workers: int) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers: expected at least 0, came {n_workers}")
        self.batches, self.start, self.n_workers = batches, start, n_workers
        self._wanted: list[tuple[int, int]] = []
        self._workers: DataLoader[Any] | None = None

    def __len__(self) -> int:
        """Steps of a whole epoch, wherever it starts."""
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
        """Ends the processes; another epoch starts new ones."""
        self._workers = None

    def _started(self) -> DataLoader[Any]:
        return DataLoader(
            _Worker(self.batches, self.n_workers),
            sampler=self._wanted,
            batch_size=None,
            num_workers=self.n_workers,
            collate_fn=_unchanged,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # it draws a seed for workers, which is not to come from the model's numbers
            persistent_workers=True,
            # The threads of a process group call Python. A fork while one does copies a lock that nobody will open: CPython's issue 112275.
            multiprocessing_context="spawn" if dist.is_available() and dist.is_initialized() else None,
        )


class _Worker(Dataset[Any]):
    """Builds the batch of an epoch and a step. Whoever asks for every n-th step in turn gets them from one pass over the epoch."""

    def __init__(self, batches: StepBatches, n_workers: int) -> None:
        self.batches, self.n_workers = copy.copy(batches), n_workers
        self._stream: Iterator[Any] = iter(())
        self._expected: tuple[int, int] | None = None
        self.batches.epoch = partial(int, 0)  # a worker has no trainer to ask

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
    """One thread, and a session of its own: a signal to the whole group is the main process's to answer, which still needs its workers."""
    torch.set_num_threads(1)
    os.setsid()
