"""Two processes with half of the rows each train as one process with all of them; models that need whole tables say so."""

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import polars as pl
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from omegaconf import DictConfig
from safetensors.torch import load_file, save_file
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from mmrec.cli.train import train
from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.losses import bpr
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.tasks.sharded import gather_tables, shard_tables
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 31, 47  # odd: the parts are uneven


class Whole(GradientRecommender):
    """A model that reads its tables as it likes."""

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise NotImplementedError

    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        raise NotImplementedError


def make_model(sparse: bool = False) -> MatrixFactorizationRecommender:
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(N_USERS, (200,), generator=generator), torch.randint(N_ITEMS, (200,), generator=generator)
    torch.manual_seed(0)
    return MatrixFactorizationRecommender(DatasetSpec(N_USERS, N_ITEMS, Interactions(*pairs)), 8, 0.1, 0.01, sparse_gradients=sparse)


def descend(model: MatrixFactorizationRecommender) -> dict[str, torch.Tensor]:
    """Losses of three epochs, and what the model is afterwards."""
    generator = torch.Generator().manual_seed(1)
    pairs = torch.randint(N_USERS, (300,), generator=generator), torch.randint(N_ITEMS, (300,), generator=generator)
    positives = InteractionMatrix.from_pairs(*pairs, N_USERS, N_ITEMS)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.05), []
    for epoch in range(3):
        for batch in PairBatches(positives, 64, n_negatives=2, seed=0, epoch=lambda now=epoch: now):
            optimizer.zero_grad()
            scores = model.score_batch(batch, generator)
            loss = bpr(scores.positive, batch.row, scores.negative, batch.valid, temperature=1.0) + scores.extra
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    scorer = model.freeze()
    return {"losses": torch.stack(losses), "users": scorer.users, "items": scorer.items}


def descend_on_part(rank: int, folder: Path) -> None:
    """One process of two; says how many rows of its tables and of their optimizer state it held."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    model = make_model()
    shard_tables(model, init_device_mesh("cpu", (2,)))
    rows = torch.tensor([len(table.weight.to_local()) for table in (model.users, model.items)])
    found = descend(model)
    gather_tables(model)
    assert torch.equal(model.items.weight, found["items"]) and set(model.state_dict()) == set(make_model().state_dict())
    save_file(found | {"rows": rows}, folder / f"{rank}.safetensors")
    dist.destroy_process_group()


def test_two_processes_with_half_of_the_rows_each_train_as_one(tmp_path: Path) -> None:
    mp.start_processes(descend_on_part, (tmp_path,), nprocs=2, start_method="fork")
    expected = descend(make_model())
    parts = [load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1)]
    assert [part.pop("rows").tolist() for part in parts] == [[16, 24], [15, 23]]
    for part in parts:
        for name, values in expected.items():
            torch.testing.assert_close(part[name], values, atol=1e-5, rtol=0, msg=name)
    assert expected["losses"][-1] < expected["losses"][0]


def test_what_cannot_be_divided_says_so() -> None:
    mesh = object.__new__(DeviceMesh)  # refused before it is used
    with pytest.raises(ConfigError, match=r"model\.sparse_gradients"):
        shard_tables(make_model(sparse=True), mesh)
    with pytest.raises(ConfigError, match="trainer=ddp"):
        shard_tables(Whole(DatasetSpec(2, 2, Interactions(torch.tensor([0]), torch.tensor([1])))), mesh)


@pytest.mark.slow
def test_a_run_with_divided_tables_is_that_of_one_process(
    compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path
) -> None:
    own = [
        one for one in shop_overrides if not one.startswith(("text_encoder", "image_encoder", "encoders.", "optimizer", "task", "trainer"))
    ]
    common = [*own, "model=matrix_factorization", "model.sparse_gradients=false", "optimizer._target_=torch.optim.Adam", "~baselines"]
    common += ["task.embedding_lr=0.01", "trainer.enable_progress_bar=false", "trainer.max_epochs=3", "data_module.batch_size=100"]
    two_processes = ["trainer=sharded", "trainer.accelerator=cpu", "trainer.devices=2"]
    command = [sys.executable, "-m", "mmrec.cli.main", "train", *common, *two_processes, f"run_dir={tmp_path / 'two'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    train(compose(*common, f"run_dir={tmp_path / 'one'}"))
    one, two = (pl.read_parquet(tmp_path / name / "curves.parquet").sort("metric", "epoch") for name in ("one", "two"))
    assert two["value"].to_list() == pytest.approx(one["value"].to_list(), abs=1e-5)
