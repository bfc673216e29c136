"""A data module for the tables of a split, in memory or in the folder of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import polars as pl
import torch
from jaxtyping import Int64
from lightning.pytorch import LightningDataModule, Trainer

from mmrec.data.batches.batch_factory import BatchFactory, BatchSettings, EvaluationRows, Place, SplitPart
from mmrec.data.batches.loader import BatchLoader, OneBatch, StepBatches
from mmrec.data.batches.ranking_batches import RankingBatches
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split
from mmrec.errors import MissingFile
from mmrec.types import Interactions

_SHOWN = 5
_BATCH_SIZE, _MAX_STEPS = 128, 160
"""The defaults for the batch size: steps have a cost proportional to all users and items, so that many small steps would be inefficient."""
_RANKING = RankingBatches()


class TabularDataModule(LightningDataModule):
    """Reads a split and provides the batches of the task (of ranking, if there is no task).

    Model selection cannot access the test rows: `setup("fit")` reads train and valid only, and `test` exists only after `setup("test")`. No
    valid negative is a training positive of its user.

    Args:
        split: the three tables, as the functions of `mmrec.data.interactions.split` return them, or a folder with `train.parquet`,
            `valid.parquet` and `test.parquet`. `mmrec.prepare` makes a split and an index of a dataset.
        index: the mapping between ids and indices.
        batch_of: for ranking, `users`: a batch contains users with all of their positives; or `interactions`: single interactions.
        batch_size: users or interactions per batch. None: 128, or more if an epoch would have more than 160 steps.
        n_negatives: with shared negatives, the items shared by the users of a batch (or all, if there are fewer); otherwise the items drawn
            for each user or interaction.
        shared_negatives: whether the users of a batch share their negatives.
        seed: of shuffling and sampling.
        n_workers: the number of processes that build the batches; with 0, the training process does. Batches are bitwise identical.
    """

    trainer: Trainer
    """Available when batches are requested."""

    def __init__(
        self,
        split: Split | Path | str,
        index: Index,
        batch_of: str = "users",
        batch_size: int | None = None,
        n_negatives: int = 4096,
        shared_negatives: bool = True,
        seed: int = 0,
        n_workers: int = 0,
    ) -> None:
        super().__init__()
        if n_negatives < 1 or (batch_size is not None and batch_size < 1):
            raise ValueError(f"batch_size and n_negatives: expected at least 1, found {batch_size} and {n_negatives}")
        if batch_of not in ("users", "interactions"):
            raise ValueError(f"batch_of: expected users or interactions, found {batch_of}")
        self.split, self.index = split if isinstance(split, Split) else Path(split), index
        self.settings = BatchSettings(batch_of, batch_size or _BATCH_SIZE, n_negatives, shared_negatives, seed)
        self.n_workers, self._may_grow = n_workers, batch_size is None
        self._loader: BatchLoader | None = None
        self._learnt: torch.Tensor | None = None

    def setup(self, stage: str) -> None:
        """Read the tables that `stage` may access. Raises MissingFile if one does not exist."""
        self._train, self._valid = self._read("train"), self._read("valid")
        if stage == "test":
            self._test = self._read("test")

    @property
    def train_interactions(self) -> Interactions:
        """The rows of the training part, in order."""
        return self._train.interactions

    @property
    def train(self) -> InteractionMatrix:
        """The binary user-item matrix of the training part."""
        return self._train.matrix

    def learn_from(self, user_idx: Int64[torch.Tensor, " n"]) -> None:
        """Restrict the training batches to the interactions of these users; what models know and what is seen stays the same."""
        self._learnt = user_idx

    @property
    def _learnt_part(self) -> SplitPart:
        if self._learnt is None:
            return self._train
        rows = torch.isin(self._train.interactions.user_idx, self._learnt).nonzero().flatten()
        candidates = self.train.item_degree.nonzero().flatten()
        return SplitPart(self._train.interactions.take(rows), self._train.n_users, self._train.n_items, candidates)

    def train_dataloader(self) -> BatchLoader:
        """The batches of an epoch from the trainer's position on: the start, or the step of a checkpoint."""
        parts = self.trainer.distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}  # None if tables are sharded
        place = Place(lambda: self.trainer.current_epoch, parts["rank"], parts["num_replicas"])
        batches = self.train_batches(self._task(), place)
        self._loader = loader = BatchLoader(batches, start=lambda: self.trainer.fit_loop.batch_idx + 1, n_workers=self.n_workers)
        return loader

    def train_batches(self, task: BatchFactory, place: Place) -> StepBatches:
        """The training batches of a task."""
        return task.train_batches(self._learnt_part, self._settings(), place)

    def teardown(self, stage: str) -> None:
        """Stop the processes that build batches."""
        if self._loader is not None:
            self._loader.close()

    def describe_batch(self, batch: NamedTuple) -> str:
        """The users of a batch and its rows in the training part, counted from 1; the first few of each."""
        columns = batch._asdict()
        if not {"user_idx", "item_idx"} <= columns.keys():
            return f"one of {type(batch).__name__}"
        users, items, n_items = columns["user_idx"].cpu(), columns["item_idx"].cpu(), self.index.n_items
        owners = users[columns["row"].cpu()] if "row" in columns else users
        train = self.train_interactions
        rows = torch.isin(train.user_idx * n_items + train.item_idx, owners * n_items + items).nonzero().flatten() + 1
        names = [f"`{name}`" for name in self.index.user_id(users.unique())]
        return f"users {_first(names)}, rows {_first([str(row) for row in rows.tolist()])} of {self._place('train')}"

    def val_dataloader(self) -> OneBatch:
        """This process's part of the validation set, as a single batch."""
        return OneBatch(self.valid_set(self._task()).part(self.trainer.global_rank, self.trainer.world_size))

    def transfer_batch_to_device(
        self, batch: tuple[Any, ...] | EvaluationRows, device: torch.device, dataloader_idx: int
    ) -> tuple[Any, ...] | EvaluationRows:
        """Move a batch to a device. Lightning's default would search every field for nested fields at every step."""
        if not isinstance(batch, tuple):
            return batch.to(device)
        if device.type == "cpu":
            return batch
        make: Callable[..., tuple[Any, ...]] = type(batch)
        return make(*(None if field is None else field.to(device, non_blocking=True) for field in batch))

    def test_set(self, task: BatchFactory = _RANKING) -> EvaluationRows:
        """The evaluation set of the test part, with training and validation rows as seen. Requires `setup("test")`."""
        return task.evaluation_set((self._train, self._valid), self._test)

    def valid_set(self, task: BatchFactory = _RANKING) -> EvaluationRows:
        """The evaluation set of the validation part, with training rows as seen."""
        return task.evaluation_set((self._train,), self._valid)

    def _settings(self) -> BatchSettings:
        """The settings, with the default batch size derived from the training part."""
        if not self._may_grow:
            return self.settings
        n = int((self.train.degree > 0).sum()) if self.settings.batch_of == "users" else len(self.train_interactions)
        return self.settings._replace(batch_size=max(_BATCH_SIZE, -(-n // _MAX_STEPS)))

    def _task(self) -> BatchFactory:
        """The task that is trained."""
        task = getattr(self.trainer, "lightning_module", None)
        return task if isinstance(task, BatchFactory) else _RANKING

    def _read(self, part: str) -> SplitPart:
        return SplitPart(self.index.interactions(self._table(part)), self.index.n_users, self.index.n_items)

    def _table(self, part: str) -> pl.DataFrame:
        if isinstance(self.split, Split):
            table: pl.DataFrame = getattr(self.split, part)
            return table
        path = self.split / f"{part}.parquet"
        if not path.is_file():
            raise MissingFile(f"expected the {part} part of the split at {path}, and there is no such file")
        return pl.read_parquet(path, glob=False)

    def _place(self, part: str) -> str:
        """Where the rows of a part are."""
        return f"split.{part}" if isinstance(self.split, Split) else str(self.split / f"{part}.parquet")


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", … ({len(names)})" if len(names) > _SHOWN else "")
