"""Scores of a batch by hand, and several processes against one: the same validation metrics, the same training."""

import json
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
from safetensors.torch import load_file

from mmrec.cli.train import train
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import sampled_softmax
from mmrec.metrics.full_ranking import Ranking, rank_and_evaluate, rank_users
from mmrec.models.multimodal.fusion import score_with_history
from mmrec.models.recommender import Closed, FrozenScorer, MixedRecommender, Parts, TrainScores, Weights
from mmrec.tasks.ranking import RankingTask
from mmrec.tasks.task import gather_rows
from mmrec.types import DatasetSpec, Interactions

PLAIN_DESCENT = ["optimizer._target_=torch.optim.SGD", "optimizer.lr=0.05", "task.embedding_lr=5.0"]
"""Linear in the gradient. Adam is not: of a gradient that is rounding error alone it makes a whole step, to one side or the other."""
BIAS = torch.tensor([0.1, 0.2, 0.3, 0.4])
ITEMS = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, -1.0]])


def batch(negatives: torch.Tensor) -> TrainBatch:
    """User 2 with items 0 and 1, user 1 with item 2."""
    valid = torch.ones(2, negatives.shape[-1], dtype=torch.bool)
    return TrainBatch(
        torch.tensor([2, 1]), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]), negatives, valid, torch.zeros(3), torch.tensor(1.0)
    )


def cosine(user: torch.Tensor, item: int) -> float:
    return torch.cosine_similarity(user, ITEMS[item], dim=0).item()


@pytest.mark.parametrize("negatives", [torch.tensor([3, 2, 0]), torch.tensor([[3, 2], [0, 3]])], ids=["a shared pool", "two a user"])
def test_a_user_is_what_they_had_and_the_item_scored_is_left_out_of_it(negatives: torch.Tensor) -> None:
    positive, negative = score_with_history(ITEMS, BIAS, batch(negatives), history_dropout=0.0)
    both = (ITEMS[0] + ITEMS[1]) / 2**0.5
    one_left_out = [cosine(ITEMS[1], 0) + 0.1, cosine(ITEMS[0], 1) + 0.2, 0.3]  # user 1 has but the one, and without it nothing
    torch.testing.assert_close(positive, torch.tensor(one_left_out))
    of_user = negatives.expand(2, -1).tolist()
    expected = [[cosine(user, item) + BIAS[item].item() for item in items] for user, items in zip((both, ITEMS[2]), of_user, strict=True)]
    torch.testing.assert_close(negative, torch.tensor(expected))


def test_what_is_dropped_from_a_history_is_not_in_it() -> None:
    dropped = batch(torch.tensor([3]))._replace(noise=torch.tensor([0.9, 0.1, 0.1]))
    positive, negative = score_with_history(ITEMS, BIAS, dropped, history_dropout=0.5)
    torch.testing.assert_close(positive, torch.tensor([0.1, cosine(ITEMS[0], 1) + 0.2, 0.3]))
    torch.testing.assert_close(negative, torch.tensor([[cosine(ITEMS[0], 3) + 0.4], [0.4]]))


def test_an_emptied_history_has_no_steep_gradient() -> None:
    items = ITEMS.clone().requires_grad_()
    dropped = batch(torch.tensor([3]))._replace(noise=torch.zeros(3))
    sum(scores.sum() for scores in score_with_history(items, BIAS, dropped, history_dropout=0.5)).backward()
    assert items.grad.abs().max() < 10


def test_scores_are_float32_whatever_the_model_computes_in() -> None:
    scores = score_with_history(ITEMS.bfloat16(), BIAS, batch(torch.tensor([3])), 0.0)
    assert [one.dtype for one in scores] == [torch.float32] * 2


def test_the_rows_of_one_process_are_themselves() -> None:
    rows = torch.rand(3, 2)
    assert gather_rows(rows) is rows


def gather(rank: int, n_rows: list[int], folder: Path) -> None:
    """One process of several: row j of rank r is [r, j]."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=len(n_rows))
    rows = torch.tensor([[rank, row] for row in range(n_rows[rank])], dtype=torch.float64).reshape(-1, 2)
    (folder / f"{rank}.json").write_text(json.dumps(gather_rows(rows).tolist()))
    dist.destroy_process_group()


@pytest.mark.parametrize("n_rows", [[2, 3], [0, 1, 4], [0, 0]])
def test_rows_of_uneven_parts_are_gathered_in_order(n_rows: list[int], tmp_path: Path) -> None:
    mp.start_processes(gather, (n_rows, tmp_path), nprocs=len(n_rows), start_method="fork")
    expected = [[float(rank), float(row)] for rank, n in enumerate(n_rows) for row in range(n)]
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(len(n_rows))] == [expected] * len(n_rows)


@pytest.fixture(scope="module")
def positives() -> InteractionMatrix:
    """50 users with some of 30 items, a few of them with none."""
    generator = torch.Generator().manual_seed(0)
    return InteractionMatrix.from_pairs(
        torch.randint(45, (300,), generator=generator), torch.randint(30, (300,), generator=generator), n_users=50, n_items=30
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("world_size", [2, 3])
def test_the_weighted_mean_over_processes_is_the_loss_of_one(shared: bool, world_size: int, positives: InteractionMatrix) -> None:
    generator = torch.Generator().manual_seed(1)
    items, bias = torch.randn(30, 8, generator=generator), torch.randn(30, generator=generator)

    def losses(rank: int, world_size: int) -> list[torch.Tensor]:
        batches = TrainBatches(positives, 17, 12, shared, seed=5, rank=rank, world_size=world_size)
        scored = ((one, *score_with_history(items, bias, one, 0.3)) for one in batches)
        return [one.weight * sampled_softmax(positive, one.row, negative, one.valid, temperature=0.5) for one, positive, negative in scored]

    parts = torch.tensor([losses(rank, world_size) for rank in range(world_size)])
    torch.testing.assert_close(parts.mean(dim=0), torch.stack(losses(0, 1)))


@pytest.mark.parametrize("world_size", [2, 3, 60])
def test_the_parts_of_the_users_are_ranked_as_the_whole(world_size: int, positives: InteractionMatrix) -> None:
    generator = torch.Generator().manual_seed(2)
    scorer = FrozenScorer(torch.randn(50, 8, generator=generator), torch.randn(30, 8, generator=generator), torch.ones(30, 1))
    nothing = InteractionMatrix.from_pairs(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), 50, 30)
    users = EvaluationSet.build(nothing, positives)
    parts = pl.concat([rank_and_evaluate(scorer, users.part(rank, world_size), [5]) for rank in range(world_size)])
    assert parts.equals(rank_and_evaluate(scorer, users, [5]))


class Mixture(MixedRecommender):
    """Fused scores that say nothing, and a trend that says all."""

    weights = Weights()
    closed = frozenset[Closed]()

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise NotImplementedError

    def parts(self, hidden: Collection[str] = (), closed: frozenset[Closed] | None = None) -> Parts:
        none, items = torch.empty(50, 0), torch.arange(30.0)
        known = torch.ones(50, dtype=torch.bool), torch.ones(30, dtype=torch.bool)
        return Parts(torch.zeros(50, 1), torch.zeros(30, 1), none, none[:30], items, *known, none[:30])

    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        raise NotImplementedError


def test_a_validation_that_is_cut_short_chooses_nothing(positives: InteractionMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Mixture(DatasetSpec(50, 30, Interactions(torch.arange(50), torch.arange(50) % 30)))
    task = RankingTask(model, sampled_softmax, torch.optim.SGD, embedding_lr=0.1, ks=[5], seed=0)
    last = InteractionMatrix.from_pairs(torch.arange(50), torch.full((50,), 29), 50, 30)
    task.validation_step(EvaluationSet.build(positives, last), 0)
    assert model.weights == Weights()  # a signal still cuts it short here, and then it is begun again
    logged = {}
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: value}))
    task.on_validation_epoch_end()
    assert model.weights.trend > 0 and logged["val/ndcg@5"] > 0.8


def test_on_large_data_epochs_are_validated_on_some_users(positives: InteractionMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tenth of 50 users; `measure`, by which the chosen epoch is reported, takes all."""
    model = Mixture(DatasetSpec(50, 30, Interactions(torch.arange(50), torch.arange(50) % 30)))
    task = RankingTask(model, sampled_softmax, torch.optim.SGD, embedding_lr=0.1, ks=[5], seed=0)
    rows = EvaluationSet.build(positives, InteractionMatrix.from_pairs(torch.arange(50), torch.full((50,), 29), 50, 30))
    monkeypatch.setattr("mmrec.tasks.ranking._MAX_SCORES", 3 * 30)
    monkeypatch.setattr("mmrec.tasks.ranking._LEAST_USERS", 5)
    asked: list[int] = []

    def listening(scorer: FrozenScorer, users: torch.Tensor, seen: InteractionMatrix, k: int) -> Ranking:
        asked.append(len(users))
        return rank_users(scorer, users, seen, k)

    for module in ("mmrec.tasks.ranking", "mmrec.metrics.full_ranking"):
        monkeypatch.setattr(f"{module}.rank_users", listening)
    validated = task.validate(rows)
    assert len(asked) > 2 and set(asked) == {5}
    validated.adopt()
    assert len(task.measure(model.parts().mix(model.weights), rows).ranking.user_idx) == 50
    assert model.weights.trend > 0 and validated.means["ndcg@5"] > 0.8


@pytest.mark.slow
def test_two_processes_train_and_validate_as_one(compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path) -> None:
    """With seed 2026 two items of a user are so near to one another that rounding exchanges them."""
    common = [*shop_overrides, "~baselines", "data_module.batch_size=17", "seed=2027", *PLAIN_DESCENT]
    two_processes = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=2"]
    command = [sys.executable, "-m", "mmrec.cli.main", "train", *common, *two_processes, f"run_dir={tmp_path / 'two'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    train(compose(*common, f"run_dir={tmp_path / 'one'}"))
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text())["models"]["fusion"] for name in ("one", "two"))
    assert two == pytest.approx(one, abs=1e-4)
    curves, curves_of_two = (pl.read_parquet(tmp_path / name / "curves.parquet").sort("metric", "epoch") for name in ("one", "two"))
    assert curves_of_two["value"].to_list() == pytest.approx(curves["value"].to_list(), abs=1e-4)
    vectors, vectors_of_two = (load_file(tmp_path / name / "vectors.safetensors") for name in ("one", "two"))
    for name, expected in vectors.items():
        lengths = expected.norm(dim=1, keepdim=True).clamp(min=1)  # users are scaled until their scores deviate by 1, to lengths beyond 10
        torch.testing.assert_close(vectors_of_two[name] / lengths, expected / lengths, atol=1e-5, rtol=0)
    best = curves_of_two.filter(metric="val/ndcg@20").sort("value")["epoch"][-1]  # measured by two processes; once read back, by one
    logged = dict(curves_of_two.filter(pl.col("metric").str.starts_with("val/"), epoch=best).select("metric", "value").iter_rows())
    assert logged == pytest.approx({name: two[name] for name in logged}, abs=1e-7) and len(logged) == 12  # logged as float32
