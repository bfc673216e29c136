"""Training batches and evaluation sets from the split tables of a run."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import torch
from lightning.pytorch import LightningDataModule

from mmrec.data.csr import InteractionMatrix
from mmrec.data.index import Index
from mmrec.data.sample import EvaluationSet, PairBatches, TrainBatch, TrainBatches
from mmrec.errors import MissingFile
from mmrec.types import Interactions


class TabularDataModule(LightningDataModule):
    """Reads `split_dir/{train,valid,test}.parquet` and gives batches of positives with sampled negatives.

    What selects a model cannot see the test rows: `setup("fit")` reads train and valid only, and `test` exists after `setup("test")` alone.
    With `batch_of: users` a batch is `batch_size` users with all of their positives; with `shared_negatives` it shares one pool of
    `n_negatives` items, all of them if the catalogue has fewer, otherwise every user draws its own. With `batch_of: interactions` it is
    `batch_size` interactions, each with `n_negatives` of its own. No negative that counts is a training positive of its user.
    """

    def __init__(
        self, split_dir: Path, index: Index, batch_of: str, batch_size: int, n_negatives: int, shared_negatives: bool, seed: int
    ) -> None:
        super().__init__()
        if batch_size < 1 or n_negatives < 1:
            raise ValueError(f"batch_size and n_negatives: expected at least 1, came {batch_size} and {n_negatives}")
        if batch_of not in ("users", "interactions"):
            raise ValueError(f"batch_of: expected users or interactions, came {batch_of}")
        self.split_dir, self.index, self.batch_of = Path(split_dir), index, batch_of
        self.batch_size, self.n_negatives, self.shared_negatives, self.seed = batch_size, n_negatives, shared_negatives, seed

    def setup(self, stage: str) -> None:
        """Reads the tables that `stage` may see. Raises MissingFile where one is not there."""
        self.train_interactions = self._read("train")
        self.train = self._matrix(self.train_interactions)
        self.valid = self._matrix(self._read("valid"))
        if stage == "test":
            self.test = self._matrix(self._read("test"))

    def train_dataloader(self) -> TrainBatches | PairBatches:
        common = {
            "epoch": lambda: self.trainer.current_epoch,
            "rank": self.trainer.global_rank,
            "world_size": self.trainer.world_size,
        }
        if self.batch_of == "interactions":
            return PairBatches(self.train, self.batch_size, self.n_negatives, self.seed, **common)
        return TrainBatches(self.train, self.batch_size, self.n_negatives, self.shared_negatives, self.seed, **common)

    def val_dataloader(self) -> "OneBatch":
        """This process's part of the users that `valid_set` has, as one batch."""
        return OneBatch(self.valid_set().part(self.trainer.global_rank, self.trainer.world_size))

    def transfer_batch_to_device(
        self, batch: TrainBatch | EvaluationSet, device: torch.device, dataloader_idx: int
    ) -> TrainBatch | EvaluationSet:
        """Lightning's own would look through every field for more fields, at every step."""
        if isinstance(batch, EvaluationSet):
            return batch.to(device)
        return TrainBatch(*(field.to(device, non_blocking=True) for field in batch)) if device.type != "cpu" else batch

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
        return self.index.interactions(pl.read_parquet(path))

    def _matrix(self, interactions: Interactions) -> InteractionMatrix:
        return InteractionMatrix.from_pairs(interactions.user_idx, interactions.item_idx, self.index.n_users, self.index.n_items)


class OneBatch:
    """An epoch of one batch. A list will not do: Lightning takes it for a collection of loaders."""

    def __init__(self, batch: EvaluationSet) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[EvaluationSet]:
        return iter([self.batch])
