"""The data of several tasks, a split each, as one data module."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from lightning.pytorch import LightningDataModule, Trainer

from mmrec.data.batches.batch_factory import Place
from mmrec.data.batches.interleaved import InterleavedBatches, TasksBatch, TasksRows
from mmrec.data.batches.loader import BatchLoader, OneBatch
from mmrec.experiment.settings import SplitData
from mmrec.tasks.multi.multi_task import MultiTask


class TasksData(LightningDataModule):
    """Gives every step a batch of each task, from the trainer's position on.

    Args:
        parts: the data modules by task.
    """

    trainer: Trainer
    """Available when batches are requested."""

    def __init__(self, parts: Mapping[str, SplitData]) -> None:
        super().__init__()
        self.parts = dict(parts)
        self._loader: BatchLoader | None = None

    def setup(self, stage: str) -> None:
        for part in self.parts.values():
            part.setup(stage)

    def teardown(self, stage: str) -> None:
        """Stop the processes that build batches."""
        if self._loader is not None:
            self._loader.close()

    def train_dataloader(self) -> BatchLoader:
        """The batches of an epoch from the trainer's position on: the start, or the step of a checkpoint."""
        sampler = self.trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}  # None if tables are sharded
        place = Place(partial(int, 0), sampler["rank"], sampler["num_replicas"])  # the epoch of each task is set from the step
        batches = {name: part.train_batches(self._task().parts[name], place) for name, part in self.parts.items()}
        n_workers = next(iter(self.parts.values())).n_workers
        self._loader = BatchLoader(
            InterleavedBatches(batches, lambda: self.trainer.current_epoch),
            start=lambda: self.trainer.fit_loop.batch_idx + 1,
            n_workers=n_workers,
        )
        return self._loader

    def val_dataloader(self) -> OneBatch:
        """This process's part of the validation rows of all tasks, as a single batch."""
        rows = TasksRows({name: part.valid_set(self._task().parts[name]) for name, part in self.parts.items()})
        return OneBatch(rows.part(self.trainer.global_rank, self.trainer.world_size))

    def describe_batch(self, batch: TasksBatch) -> str:
        """The users of the batches of all tasks, and their rows, for messages."""
        return "; ".join(f"{name}: {self.parts[name].describe_batch(part)}" for name, part in batch.parts.items())

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch to a device."""
        if isinstance(batch, TasksRows):
            return batch.to(device)
        if device.type == "cpu":
            return batch
        move = self._move
        return TasksBatch({name: move(one, device) for name, one in batch.parts.items()}, batch.weight.to(device))

    @staticmethod
    def _move(batch: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
        make: Callable[..., tuple[Any, ...]] = type(batch)
        return make(*(None if field is None else field.to(device, non_blocking=True) for field in batch))

    def _task(self) -> MultiTask:
        return cast("MultiTask", self.trainer.lightning_module)
