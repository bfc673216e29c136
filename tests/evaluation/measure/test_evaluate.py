"""mmrec.evaluation.measure.evaluate: means and bootstrap intervals on an example worked by hand; auc and graded nDCG beside them."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.evaluation.measure.evaluate import confidence, evaluate, mean_over_seeds, means
from mmrec.evaluation.measure.grades import Graded
from tests.parts import LISTS, POSITIVES, TRAIN_PAIRS, Lists, make_matrix

D2 = 1 / math.log2(3)  # the gain of rank 2; that of rank 1 is 1


@pytest.fixture
def data() -> EvaluationSet:
    return EvaluationSet.build(make_matrix(TRAIN_PAIRS), make_matrix(POSITIVES))


def per_user(n: int, seed: int) -> pl.DataFrame:
    values = np.random.default_rng(seed).random((n, 2))
    return pl.DataFrame({"user_idx": np.arange(n), "recall@20": values[:, 0], "ndcg@20": values[:, 1]})


def test_lists_are_long_whatever_the_cutoffs(data: EvaluationSet) -> None:
    evaluated = evaluate(Lists(), data, [1, 2])
    assert evaluated.ranking.item_idx.shape == (4, 7)
    for user, items in LISTS.items():
        assert evaluated.ranking.item_idx[user].tolist() == items + [-1] * (7 - len(items))
    assert evaluated.per_user["recall@2"].to_list() == [1.0, 0.5, 0.5, 1.0]
    assert evaluated.per_user["recall@1"].to_list() == [1.0, 0.0, 0.5, 0.5]


def test_lists_are_as_long_as_the_greatest_cutoff() -> None:
    class Flat:
        def score_users(self, user_idx: Tensor) -> Tensor:
            return torch.zeros(len(user_idx), 300)

    wide = EvaluationSet.build(make_matrix([], 1, 300), make_matrix([(0, 149)], 1, 300))
    assert evaluate(Flat(), wide, [10]).ranking.item_idx.shape == (1, 100)
    assert evaluate(Flat(), wide, [10, 150]).per_user["recall@150"].to_list() == [1.0]


def test_auc_and_graded_ndcg_stand_beside_the_others_where_asked_for(data: EvaluationSet) -> None:
    graded = Graded(data.positives, torch.tensor([2.0, 1.0, 3.0, 4.0, 1.0, 1.0, 5.0], dtype=torch.float64))
    found = evaluate(Lists(), data, [1, 2], graded, with_auc=True).per_user
    assert evaluate(Lists(), data, [1, 2]).per_user.columns == [name for name in found.columns if not name.startswith(("auc", "graded"))]
    # User 0 ranks 2, 0 and likes 2. User 1: 1, 0, 4 and likes 0 and 4, below the one other. User 2: 3, 0, 1, 2 and likes 3 and 1:
    # of four pairs it wins three. User 3: 5, 0, 1, … and likes 5 and 0.
    assert found["auc"].to_list() == [1.0, 0.0, 0.75, 1.0]
    assert found["graded_ndcg@1"].to_list() == pytest.approx([1.0, 0.0, 1 / 4, 1.0])  # user 2 has a 1 first and could have a 4
    assert found["graded_ndcg@2"].to_list() == pytest.approx([1.0, D2 / (3 + D2), 1 / (4 + D2), 1.0])


def test_a_metric_that_is_undefined_for_a_user_leaves_that_user_out(data: EvaluationSet) -> None:
    alone = EvaluationSet.build(make_matrix([(0, 1)], 2, 2), make_matrix([(0, 0), (1, 0)], 2, 2))

    class Descending:
        def score_users(self, user_idx: Tensor) -> Tensor:
            return torch.tensor([[2.0, 1.0]]).repeat(len(user_idx), 1)

    per_user = evaluate(Descending(), alone, [1], with_auc=True).per_user
    assert per_user["auc"].to_list() == [None, 1.0]  # the first has nothing to be told from
    assert means(per_user, "test")["test/auc"] == 1.0
    assert confidence([per_user], "test", seed=0)["test/auc"] == [1.0, 1.0]
    assert "test/auc" not in confidence([per_user.head(1)], "test", seed=0)


def test_means_by_hand() -> None:
    frame = pl.DataFrame({"user_idx": [7, 9], "recall@20": [0.0, 0.5], "mrr@20": [1.0, 0.5]})
    assert means(frame, "test") == {"test/recall@20": 0.25, "test/mrr@20": 0.75}
    assert means(frame.clear(), "val") == {"val/recall@20": 0.0, "val/mrr@20": 0.0}


def test_mean_over_seeds_by_hand() -> None:
    assert mean_over_seeds([{"a": 1.0, "b": 0.0}, {"b": 0.5, "a": 2.0}]) == {"a": 1.5, "b": 0.25}
    assert mean_over_seeds([{"a": 0.3}]) == {"a": 0.3}
    assert mean_over_seeds([{"a": 0.1}] * 10) == {"a": 0.1}


def test_an_interval_holds_the_mean_and_narrows_with_users() -> None:
    widths = []
    for n in (30, 300, 3000):
        frame = per_user(n, seed=0)
        interval = confidence([frame], "test", seed=1)
        assert set(interval) == {"test/recall@20", "test/ndcg@20"}
        for name, (low, high) in interval.items():
            assert low < frame[name.removeprefix("test/")].mean() < high
        low, high = interval["test/recall@20"]
        widths.append(high - low)
        assert high - low == pytest.approx(2 * 1.96 * frame["recall@20"].std() / math.sqrt(n), rel=0.15)  # as the normal theory has it
    assert widths[0] > widths[1] > widths[2]


def test_an_interval_is_a_function_of_its_seed() -> None:
    frame = per_user(40, seed=0)
    assert confidence([frame], "test", seed=1) == confidence([frame], "test", seed=1) != confidence([frame], "test", seed=2)


def test_a_users_value_is_the_mean_over_seeds() -> None:
    """Two seeds that differ by opposite signs leave users alike: an interval of no width. Resampling runs, not users, would have one."""
    frames = [pl.DataFrame({"user_idx": [0, 1, 2], "recall@20": values}) for values in ([0.0, 0.5, 1.0], [1.0, 0.5, 0.0])]
    assert confidence(frames, "test", seed=0) == {"test/recall@20": pytest.approx([0.5, 0.5])}


def test_without_users_there_is_no_interval() -> None:
    assert confidence([per_user(0, seed=0)], "test", seed=0) == {}
