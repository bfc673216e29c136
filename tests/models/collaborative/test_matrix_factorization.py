"""Matrix factorisation: sparse gradients are the dense ones, hold the batch's rows alone, and train."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli.train import train
from mmrec.data.batches.train_batches import PairBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.types import DatasetSpec, Interactions

TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 2, 3, 1]))  # user 3 and item 4 have none
SPEC = DatasetSpec(4, 5, TRAIN)


def gradients(sparse: bool) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = MatrixFactorizationRecommender(SPEC, embedding_dim=3, init_scale=1.0, regularization=0.1, sparse_gradients=sparse)
    positives = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, 4, 5)
    (batch,) = PairBatches(positives, 5, n_negatives=2, seed=0)
    scores = model.score_batch(batch, torch.Generator())
    torch.testing.assert_close(scores.positive, (model.users(batch.user_idx) * model.items(batch.item_idx)).sum(dim=1))
    (bpr(scores.positive, batch.row, scores.negative, batch.valid, temperature=1.0) + scores.extra).backward()
    return [table.weight.grad for table in (model.users, model.items)]


def test_sparse_gradients_are_the_dense_ones_of_the_batch_rows() -> None:
    for dense, sparse in zip(gradients(sparse=False), gradients(sparse=True), strict=True):
        assert sparse.is_sparse and not dense.is_sparse
        torch.testing.assert_close(sparse.to_dense(), dense)
    users = gradients(sparse=True)[0].coalesce()
    assert users.indices().tolist() == [[0, 1, 2]]


def test_freezing_gives_the_tables_and_the_average_user() -> None:
    model = MatrixFactorizationRecommender(SPEC, 3, 1.0, 0.0, sparse_gradients=True)
    scorer = model.freeze()
    assert torch.equal(scorer.items, model.items.weight.detach()) and torch.equal(scorer.users[:3], model.users.weight.detach()[:3])
    torch.testing.assert_close(scorer.users[3], scorer.users[:3].mean(dim=0))


@pytest.mark.slow
def test_a_run_learns(compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path) -> None:
    own = [one for one in shop_overrides if not one.startswith(("text_encoder", "image_encoder", "encoders.", "optimizer", "task"))]
    train(compose(*own, "model=matrix_factorization", "~baselines", "trainer.max_epochs=8", f"run_dir={tmp_path}"))
    curves = pl.read_parquet(tmp_path / "curves.parquet").filter(metric="train/loss").sort("epoch")["value"]
    assert curves[-1] < 0.8 * curves[0] and curves[0] == pytest.approx(0.69, abs=0.1)
