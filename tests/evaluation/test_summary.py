"""mmrec.evaluation.summary: means, bootstrap intervals, and slices by degree on an example worked by hand."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.csr import InteractionMatrix
from mmrec.data.sample import EvaluationSet
from mmrec.evaluation.summary import confidence, degree_groups, evaluate, mean_over_seeds, means, slices

D2 = 1 / math.log2(3)  # the gain of rank 2; that of rank 1 is 1
# Training degrees of the items 0, 1 1, 2 2, 3 3 and of the users 5, 4, 3, 0.
TRAIN = [(0, 1), (0, 3), (0, 4), (0, 5), (0, 6), (1, 2), (1, 3), (1, 5), (1, 6), (2, 4), (2, 5), (2, 6)]
POSITIVES = [(0, 2), (1, 0), (1, 4), (2, 1), (2, 3), (3, 0), (3, 5)]
LISTS = {0: [2, 0], 1: [1, 0, 4], 2: [3, 0, 1, 2], 3: [5, 0, 1, 2, 3, 4, 6]}


class Lists:
    """A scorer that ranks the unseen items as `LISTS` says."""

    def score_users(self, user_idx: Tensor) -> Tensor:
        return torch.tensor([[-float(LISTS[u].index(i)) if i in LISTS[u] else 9.0 for i in range(7)] for u in user_idx.tolist()])


def make_matrix(pairs: list[tuple[int, int]], n_users: int = 4, n_items: int = 7) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(*torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1), n_users, n_items)


@pytest.fixture
def data() -> EvaluationSet:
    return EvaluationSet.build(make_matrix(TRAIN), make_matrix(POSITIVES))


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


def test_slices_by_hand(data: EvaluationSet) -> None:
    """Item 0 is cold, 1 and 2 are the tail, 3 and 4 the middle, 5 and 6 the head. User 3 is cold, 2 has few, 1 some, 0 many."""
    found = slices(evaluate(Lists(), data, [2]), data.seen, data, k=2)
    cold = {"n": 2, "recall@2": 1.0, "ndcg@2": D2}  # users 1 and 3 have it second
    tail = {"n": 2, "recall@2": 0.5, "ndcg@2": 0.5}  # user 0 has item 2 first, user 2 has item 1 third
    mid = {"n": 2, "recall@2": 0.5, "ndcg@2": 0.5}  # user 2 has item 3 first, user 1 has item 4 third
    head = {"n": 1, "recall@2": 1.0, "ndcg@2": 1.0}
    expected = {"cold": cold, "tail": tail, "mid": mid, "head": head}
    assert list(found["item_degree"]) == list(expected)
    assert {name: pytest.approx(values) for name, values in expected.items()} == found["item_degree"]
    assert found["user_degree"] == {
        "cold": pytest.approx({"n": 1, "recall@2": 1.0, "ndcg@2": 1.0}),
        "few": pytest.approx({"n": 1, "recall@2": 0.5, "ndcg@2": 1 / (1 + D2)}),
        "mid": pytest.approx({"n": 1, "recall@2": 0.5, "ndcg@2": D2 / (1 + D2)}),
        "many": pytest.approx({"n": 1, "recall@2": 1.0, "ndcg@2": 1.0}),
    }


def test_further_groups_of_users_are_sliced_as_well(data: EvaluationSet) -> None:
    groups = {"users.kind": {"old": torch.tensor([True, False, False, True]), "new": torch.tensor([False, True, True, False])}}
    nobody = {"recency": {"day": torch.zeros(4, dtype=torch.bool)}}
    found = slices(evaluate(Lists(), data, [2]), data.seen, data, k=2, user_groups=groups | nobody)
    assert list(found) == ["item_degree", "user_degree", "users.kind", "recency"] and found["recency"] == {}
    assert found["users.kind"] == {
        "old": pytest.approx({"n": 2, "recall@2": 1.0, "ndcg@2": 1.0}),
        "new": pytest.approx({"n": 2, "recall@2": 0.5, "ndcg@2": 0.5}),  # ndcg 1 / (1 + D2) and D2 / (1 + D2)
    }


def test_slices_that_nothing_falls_into_are_left_out() -> None:
    train = make_matrix([(0, 0), (1, 1)], 2, 3)
    data = EvaluationSet.build(train, make_matrix([(0, 1)], 2, 3))

    class Flat:
        def score_users(self, user_idx: Tensor) -> Tensor:
            return torch.zeros(len(user_idx), 3)

    found = slices(evaluate(Flat(), data, [1]), train, data, k=1)
    assert found == {
        "item_degree": {"tail": {"n": 1, "recall@1": 1.0, "ndcg@1": 1.0}},
        "user_degree": {"few": {"n": 1, "recall@1": 1.0, "ndcg@1": 1.0}},
    }


def test_groups_part_all_and_keep_equals_together() -> None:
    degree = torch.tensor([0, 5, 1, 1, 1, 1, 0, 2, 9])
    groups = degree_groups(degree)
    assert torch.stack(list(groups.values())).sum(dim=0).tolist() == [1] * 9
    assert {name: degree[inside].tolist() for name, inside in groups.items()} == {
        "cold": [0, 0],
        "tail": [1] * 4,
        "mid": [2],
        "head": [5, 9],
    }
    assert list(degree_groups(degree, names=("few", "mid", "many"))) == ["cold", "few", "mid", "many"]
    assert {name: int(inside.sum()) for name, inside in degree_groups(torch.arange(1, 31)).items()} == {
        "cold": 0,
        "tail": 10,
        "mid": 10,
        "head": 10,
    }
    assert {name: inside.tolist() for name, inside in degree_groups(torch.zeros(2, dtype=torch.int64)).items()} == {"cold": [True, True]}


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
