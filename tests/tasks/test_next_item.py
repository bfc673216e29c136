"""`RankingTask(history="all")`, the task of the next item: for testing, everything before is the input; and from the command line."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

import mmrec
from mmrec.data.batches.batch_factory import SplitPart
from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.models.sequence.markov_chain import MarkovChain
from mmrec.tasks.ranking import RankingTask
from mmrec.types import DatasetSpec, Interactions, joined

N = 6


def part(*rows: tuple[int, int, int]) -> SplitPart:
    return SplitPart(Interactions(*(torch.tensor(column) for column in zip(*rows, strict=True))), 3, N)


# User 0 has had 0, 1, 2 and 3, user 1 has had 3; user 2 has had 0 and, for validation, 1; tested is 2, which is less popular than 3.
TRAIN, VALID, TEST = part((0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 3, 1), (2, 0, 1)), part((2, 1, 2)), part((2, 2, 3))


def fitted() -> MarkovChain:
    return MarkovChain().fit(DatasetSpec(3, N, TRAIN.interactions))


@pytest.mark.parametrize(("history", "rank"), [("all", 1), ("train", 2)])
def test_the_validation_item_is_an_input_of_the_test(history: str, rank: int) -> None:
    model = fitted()
    task = RankingTask(model, ks=[5], history=history)
    rows = task.evaluation_set((TRAIN, VALID), TEST)
    ranking = task.measure(model, rows).ranking
    assert ranking.item_idx[0].tolist().index(2) + 1 == rank
    assert 1 not in ranking.item_idx[0].tolist()  # seen


def test_the_input_of_validation_is_training_alone() -> None:
    assert RankingTask(fitted(), history="all").evaluation_set((TRAIN,), VALID).histories is None


def test_parts_of_the_users_have_their_own_histories() -> None:
    rows = RankingTask(fitted(), history="all").evaluation_set((TRAIN, VALID), TEST)
    seen: list[list[int]] = []

    class Listening(MarkovChain):
        def score_histories(self, histories: Histories) -> Tensor:
            seen.append(histories.item_idx.tolist())
            return super().score_histories(histories)

    task = RankingTask(fitted(), history="all")
    task.scorer_on(Listening().fit(DatasetSpec(3, N, TRAIN.interactions)), rows).score_users(torch.tensor([2, 1]))
    assert seen == [[0, 1, 3]]


def test_a_history_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="history: expected train or all, found test"):
        RankingTask(fitted(), history="test")


def test_rows_are_joined_with_the_columns_of_all() -> None:
    rows = joined([TRAIN.interactions, Interactions(torch.tensor([1]), torch.tensor([2]))])
    assert len(rows) == 7 and rows.timestamp is None


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every user walks a circle of twelve items from another place."""
    folder = tmp_path_factory.mktemp("circle")
    rows: list[tuple[Any, ...]] = [(f"u{user}", f"i{(user + step) % 12}", 1000 + step) for user in range(60) for step in range(7)]
    pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").write_csv(folder / "interactions.csv")
    return folder


@pytest.mark.slow
def test_the_next_item_from_the_command_line(shop: Path, tmp_path: Path) -> None:
    words = ["task=next_item", "data=folder", f"data.path={shop}", "split=leave_last_out", f"paths.cache={tmp_path}", "trainer=debug"]
    words += ["baselines=[markov_chain,popularity]", "model.embedding_dim=16", "data_module.batch_size=10", "optimizer.lr=0.01"]
    words += ["trainer.max_epochs=15", "task.embedding_lr=0.01", "~logger.tensorboard", "model.transformer.dropout=0.0"]
    run = mmrec.train(*words, out=tmp_path / "run")
    found = dict(run.metrics.filter(metric="test/ndcg@10").select("model", "mean").iter_rows())
    assert found["markov_chain"] == 1.0  # the item after that of validation
    assert found["sequence_fusion"] > 0.8 > found["popularity"]
    best = run.recommend(histories=[["i3", "i4"]], k=1)
    assert best["item_id"].to_list() == ["i5"]
    again = mmrec.evaluate(run)
    assert again.filter(metric="test/ndcg@10")["mean"].item() == pytest.approx(found["sequence_fusion"], abs=1e-6)


def test_the_task_needs_a_model_that_ranks() -> None:
    with pytest.raises(ConfigError, match="BiasedMF predicts ratings"):
        mmrec.train("task=next_item", "model=biased_mf")
