"""data_modules.tabular: from split tables to batches and evaluation sets, and what selection cannot see."""

import re
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from data_modules.tabular import TabularDataModule
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError, MissingFile
from mmrec.types import Dataset

SPLIT = {
    "train": [("anna", "lamp"), ("anna", "sofa"), ("ben", "lamp"), ("ben", "rug"), ("cleo", "sofa")],
    "valid": [("anna", "rug"), ("cleo", "lamp")],
    "test": [("cleo", "rug"), ("ben", "desk")],
}


def table(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


@pytest.fixture
def index() -> Index:
    interactions = table([pair for part in SPLIT.values() for pair in part])
    items = pl.DataFrame({"item_id": ["desk", "lamp", "rug", "sofa", "vase"]})
    return Index.build(Dataset("shop", Path(), interactions, items, text_columns=()), seed=0)


@pytest.fixture
def split_dir(tmp_path: Path) -> Path:
    for part, pairs in SPLIT.items():
        table(pairs).write_parquet(tmp_path / f"{part}.parquet")
    return tmp_path


def make_trainer(rank: int, world_size: int, n_parts: int | None = None) -> SimpleNamespace:
    """A trainer that has not begun; batches are divided into `n_parts`, by default one a process."""
    parts = {"rank": rank, "num_replicas": world_size} if n_parts is None else {"rank": 0, "num_replicas": n_parts}
    position = SimpleNamespace(batch_idx=-1)
    return SimpleNamespace(current_epoch=0, global_rank=rank, world_size=world_size, distributed_sampler_kwargs=parts, fit_loop=position)


def make_module(split_dir: Path, index: Index, shared_negatives: bool = True) -> TabularDataModule:
    module = TabularDataModule(
        split_dir, index, batch_of="users", batch_size=2, n_negatives=3, shared_negatives=shared_negatives, seed=1, n_workers=0
    )
    module.trainer = make_trainer(0, 1)
    return module


def to_ids(matrix: InteractionMatrix, index: Index) -> set[tuple[str, str]]:
    users, items = matrix.rows(torch.arange(matrix.n_users))
    return set(zip(index.user_id(users), index.item_id(items), strict=True))


def test_each_set_leaves_out_what_came_before_it(split_dir: Path, index: Index) -> None:
    module = make_module(split_dir, index)
    module.setup("test")
    valid, test = module.valid_set(), module.test_set()
    assert to_ids(valid.seen, index) == set(SPLIT["train"])
    assert to_ids(valid.positives, index) == set(SPLIT["valid"])
    assert set(index.user_id(valid.user_idx)) == {"anna", "cleo"}
    assert to_ids(test.seen, index) == set(SPLIT["train"]) | set(SPLIT["valid"])
    assert to_ids(test.positives, index) == set(SPLIT["test"])
    assert set(index.user_id(test.user_idx)) == {"ben", "cleo"}
    assert (test.seen.n_users, test.seen.n_items) == (3, 5)


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_training_cannot_see_the_test_rows(split_dir: Path, index: Index, stage: str) -> None:
    """It does not even open the file."""
    (split_dir / "test.parquet").unlink()
    module = make_module(split_dir, index)
    module.setup(stage)
    assert not hasattr(module, "test")
    with pytest.raises(AttributeError):
        module.test_set()
    with pytest.raises(MissingFile, match=r"test part of the split at .*test\.parquet"):
        module.setup("test")


@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_missing_part_is_named(split_dir: Path, index: Index, part: str) -> None:
    (split_dir / f"{part}.parquet").unlink()
    with pytest.raises(MissingFile, match=f"{part} part of the split"):
        make_module(split_dir, index).setup("fit")


def test_an_id_that_the_index_does_not_know_is_named(split_dir: Path, index: Index) -> None:
    table([("anna", "lampp")]).write_parquet(split_dir / "valid.parquet")
    with pytest.raises(DataError, match="found `lampp`; did you mean `lamp`"):
        make_module(split_dir, index).setup("fit")


@pytest.mark.parametrize("shared_negatives", [True, False])
def test_batches_are_of_the_training_rows(split_dir: Path, index: Index, shared_negatives: bool) -> None:
    module = make_module(split_dir, index, shared_negatives)
    module.setup("fit")
    batches = list(module.train_dataloader())
    pairs = [
        (user, item) for batch in batches for user, item in zip(batch.user_idx[batch.row].tolist(), batch.item_idx.tolist(), strict=True)
    ]
    users, items = torch.tensor(pairs).unbind(1)
    assert sorted(zip(index.user_id(users), index.item_id(items), strict=True)) == sorted(SPLIT["train"])
    assert [len(batch.user_idx) for batch in batches] == [2, 1]
    assert all(set(index.item_id(batch.negatives.flatten())) <= {"lamp", "sofa", "rug"} for batch in batches)
    assert {batch.negatives.ndim for batch in batches} == {1 if shared_negatives else 2}


@pytest.mark.parametrize(
    ("batch_of", "batch_size", "sizes"), [("users", None, [2, 1]), ("interactions", None, [3, 2]), ("users", 1, [1, 1, 1])]
)
def test_batches_grow_with_the_data_unless_their_size_is_given(
    split_dir: Path, index: Index, batch_of: str, batch_size: int | None, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three users with five interactions, in two steps at most."""
    monkeypatch.setattr("data_modules.tabular._BATCH_SIZE", 1)
    monkeypatch.setattr("data_modules.tabular._MAX_STEPS", 2)
    module = TabularDataModule(split_dir, index, batch_of=batch_of, batch_size=batch_size, n_negatives=1)
    module.trainer = make_trainer(0, 1)
    module.setup("fit")
    assert [len(batch.user_idx) for batch in module.train_dataloader()] == sizes


def test_batches_follow_the_trainers_epoch_and_rank(split_dir: Path, index: Index) -> None:
    module = make_module(split_dir, index)
    module.setup("fit")
    loader = module.train_dataloader()
    first = [batch.user_idx.tolist() for batch in loader]
    epochs = []
    for module.trainer.current_epoch in range(10):
        epochs.append([batch.user_idx.tolist() for batch in loader])
    assert epochs[0] == first
    assert any(epoch != first for epoch in epochs)
    module.trainer = make_trainer(1, 2)
    assert [batch.user_idx.tolist() for batch in module.train_dataloader()] == [users[len(users) // 2 :] for users in first]


def test_validation_is_one_batch_of_this_processs_users(split_dir: Path, index: Index) -> None:
    module = make_module(split_dir, index)
    module.setup("fit")
    users = []
    for rank in range(2):
        module.trainer = make_trainer(rank, 2)
        loader = module.val_dataloader()
        assert len(loader) == 1
        (batch,) = loader
        users += batch.user_idx.tolist()
    assert users == module.valid_set().user_idx.tolist()


def test_training_rows_are_kept_as_events_too(split_dir: Path, index: Index) -> None:
    """Twice in the table is two events and one entry of the matrix; a timestamp comes along."""
    twice = table([("anna", "lamp")] * 2).with_columns(timestamp=pl.Series([5, 6]))
    twice.write_parquet(split_dir / "train.parquet")
    module = make_module(split_dir, index)
    module.setup("fit")
    assert module.train_interactions.timestamp.tolist() == [5, 6]
    assert len(module.train.indices) == 1


def test_a_batch_is_told_by_its_users_and_its_rows(split_dir: Path, index: Index) -> None:
    module = make_module(split_dir, index)
    module.setup("fit")
    batch = next(iter(module.train_dataloader()))
    said, frame = module.describe_batch(batch), pl.read_parquet(split_dir / "train.parquet")
    rows = [int(row) for row in re.search(r"rows ([\d, ]+)", said)[1].split(", ")]
    assert set(frame[[row - 1 for row in rows]]["user_id"]) == set(index.user_id(batch.user_idx)) == set(re.findall("`(.*?)`", said))


def test_processes_that_divide_tables_see_the_same_whole_batches(split_dir: Path, index: Index) -> None:
    module = make_module(split_dir, index)
    module.setup("fit")
    whole = list(module.train_dataloader())
    module.trainer = make_trainer(1, 2, n_parts=1)
    for one, seen in zip(whole, module.train_dataloader(), strict=True):
        assert all(torch.equal(values, other) if values is not None else other is None for values, other in zip(one, seen, strict=True))
