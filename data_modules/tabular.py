"""Training batches and evaluation sets from the split tables of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from lightning.pytorch import LightningDataModule

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.loader import BatchLoader
from mmrec.data.batches.train_batches import PairBatches, TrainBatch, TrainBatches
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import MissingFile
from mmrec.types import Interactions

_SHOWN = 5


class TabularDataModule(LightningDataModule):
    """Reads `split_dir/{train,valid,test}.parquet` and gives batches of positives with sampled negatives.

    What selects a model cannot see the test rows: `setup("fit")` reads train and valid only, and `test` exists after `setup("test")` alone.
    With `batch_of: users` a batch is `batch_size` users with all of their positives; with `shared_negatives` it shares one pool of
    `n_negatives` items, all of them if the catalogue has fewer, otherwise every user draws its own. With `batch_of: interactions` it is
    `batch_size` interactions, each with `n_negatives` of its own. No negative that counts is a training positive of its user. `n_workers`
    processes build the batches, or with 0 the training process itself; not a bit of them depends on it.
    """

    def __init__(
        self,
        split_dir: Path,
        index: Index,
        batch_of: str,
        batch_size: int,
        n_negatives: int,
        shared_negatives: bool,
        seed: int,
        n_workers: int,
    ) -> None:
        super().__init__()
        if batch_size < 1 or n_negatives < 1:
            raise ValueError(f"batch_size and n_negatives: expected at least 1, came {batch_size} and {n_negatives}")
        if batch_of not in ("users", "interactions"):
            raise ValueError(f"batch_of: expected users or interactions, came {batch_of}")
        self.split_dir, self.index, self.batch_of = Path(split_dir), index, batch_of
        self.batch_size, self.n_negatives, self.shared_negatives, self.seed = batch_size, n_negatives, shared_negatives, seed
        self.n_workers, self._loader = n_workers, None

    def setup(self, stage: str) -> None:
        """Reads the tables that `stage` may see. Raises MissingFile where one is not there."""
        self.train_interactions = self._read("train")
        self.train = self._matrix(self.train_interactions)
        self.valid = self._matrix(self._read("valid"))
        if stage == "test":
            self.test = self._matrix(self._read("test"))

    def train_dataloader(self) -> BatchLoader:
        """The batches of an epoch from where the trainer stands in it: at its start, or where a checkpoint was taken."""
        parts = self.trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}  # divided tables: all processes see all
        common = {"epoch": lambda: self.trainer.current_epoch, "rank": parts["rank"], "world_size": parts["num_replicas"]}
        if self.batch_of == "interactions":
            batches = PairBatches(self.train, self.batch_size, self.n_negatives, self.seed, **common)
        else:
            batches = TrainBatches(self.train, self.batch_size, self.n_negatives, self.shared_negatives, self.seed, **common)
        self._loader = BatchLoader(batches, start=lambda: self.trainer.fit_loop.batch_idx + 1, n_workers=self.n_workers)
        return self._loader

    def teardown(self, stage: str) -> None:
        """Ends the processes that build batches."""
        if self._loader is not None:
            self._loader.close()

    def describe_batch(self, batch: NamedTuple) -> str:
        """Whose batch it is, and which rows of the training part, counted from 1, are in it; the first few of each."""
        users, items, n_items = batch.user_idx.cpu(), batch.item_idx.cpu(), self.index.n_items
        owners = users[batch.row.cpu()] if "row" in batch._fields else users
        train = self.train_interactions
        rows = torch.isin(train.user_idx * n_items + train.item_idx, owners * n_items + items).nonzero().flatten() + 1
        names = [f"`{name}`" for name in self.index.user_id(users.unique())]
        return f"users {_first(names)}, rows {_first([str(row) for row in rows.tolist()])} of {self.split_dir / 'train.parquet'}"

    def val_dataloader(self) -> "OneBatch":
        """This process's part of the users that `valid_set` has, as one batch."""
        return OneBatch(self.valid_set().part(self.trainer.global_rank, self.trainer.world_size))

    def transfer_batch_to_device(
        self, batch: TrainBatch | EvaluationSet, device: torch.device, dataloader_idx: int
    ) -> TrainBatch | EvaluationSet:
        """Lightning's own would look through every field for more fields, at every step."""
        if isinstance(batch, EvaluationSet):
            return batch.to(device)
        if device.type == "cpu":
            return batch
        return TrainBatch(*(None if field is None else field.to(device, non_blocking=True) for field in batch))

    def test_set(self) -> EvaluationSet:
        """Test rows as positives, training and validation rows as seen. Only after `setup("test")`."""
        return EvaluationSet.build(self.train.union(self.valid), self.test)

    def valid_set(self) -> EvaluationSet:
        """Validation rows as positives, training rows as seen."""
        return EvaluationSet.build(self.train, self.valid)

    def _read(self, part: str) -> Interactions:
        path = self.split_dir / f"{part}.parquet"
        if not path.is_file():
            raise MissingFile(f"expected the {part} part of the split at {path}, and there is no such file")
        return self.index.interactions(pl.read_parquet(path, glob=False))

    def _matrix(self, interactions: Interactions) -> InteractionMatrix:
        return InteractionMatrix.from_pairs(interactions.user_idx, interactions.item_idx, self.index.n_users, self.index.n_items)


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", … ({len(names)})" if len(names) > _SHOWN else "")


class OneBatch:
    """An epoch of one batch. A list will not do: Lightning takes it for a collection of loaders."""

    def __init__(self, batch: EvaluationSet) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[EvaluationSet]:
        return iter([self.batch])
