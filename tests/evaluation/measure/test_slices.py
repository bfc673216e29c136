"""Slices: groups by degree, their values and intervals, and tests between two models, on an example worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.evaluation.measure.evaluate import evaluate
from mmrec.evaluation.measure.slices import compare_slices, degree_groups, make_groups, slices
from mmrec.types import Scorer
from tests.parts import POSITIVES, TRAIN_PAIRS, Lists, make_matrix

D2 = 1 / math.log2(3)  # the gain of rank 2; that of rank 1 is 1


@pytest.fixture
def data() -> EvaluationSet:
    return EvaluationSet.build(make_matrix(TRAIN_PAIRS), make_matrix(POSITIVES))


def plain(scorer: Scorer, data: EvaluationSet, k: int, user_groups: dict | None = None) -> dict:
    """The slices without their intervals."""
    found = slices(evaluate(scorer, data, [k]), data.positives, make_groups(data.seen, user_groups), k, seed=0)
    return {
        kind: {name: {key: value for key, value in one.items() if key != "intervals"} for name, one in groups.items()}
        for kind, groups in found.items()
    }


def test_slices_by_hand(data: EvaluationSet) -> None:
    """Item 0 is cold, 1 and 2 are the tail, 3 and 4 the middle, 5 and 6 the head. User 3 is cold, 2 has few, 1 some, 0 many."""
    found = plain(Lists(), data, k=2)
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
    found = plain(Lists(), data, k=2, user_groups=groups | nobody)
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

    found = plain(Flat(), data, k=1)
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


def test_intervals_are_over_the_users_of_the_group(data: EvaluationSet) -> None:
    """Of `tail`, user 0 has 1 and user 2 has 0: a quarter of the resamples of two holds either alone. Of one user there is no more."""
    found = slices(evaluate(Lists(), data, [2]), data.positives, make_groups(data.seen), 2, seed=0)
    assert found["item_degree"]["tail"]["intervals"] == {"recall@2": [0.0, 1.0], "ndcg@2": [0.0, 1.0]}
    assert found["item_degree"]["cold"]["intervals"]["ndcg@2"] == pytest.approx([D2, D2])
    assert found["user_degree"]["few"]["intervals"]["recall@2"] == [0.5, 0.5]


def test_two_models_are_compared_user_by_user_in_every_group(data: EvaluationSet) -> None:
    class Worse(Lists):
        """The same for users 0 and 1; nothing right among the first two for users 2 and 3."""

        def score_users(self, user_idx: Tensor) -> Tensor:
            scores = super().score_users(user_idx)
            wrong = {2: [0, 2], 3: [1, 2]}
            for row, user in enumerate(user_idx.tolist()):
                scores[row, wrong.get(user, [])] = 5.0
            return scores

    kinds = {"users.side": {"left": torch.tensor([True, True, False, False]), "right": torch.tensor([False, False, True, True])}}
    ours, theirs = (evaluate(scorer, data, [2]) for scorer in (Lists(), Worse()))
    found = compare_slices(ours, theirs, data.positives, make_groups(data.seen, kinds), 2, seed=0)
    assert list(found["users.side"]) == ["left", "right"]
    assert found["users.side"]["left"] == {"n_users": 2, "difference": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0, "p_holm": 1.0}
    right = found["users.side"]["right"]
    assert right["difference"] == pytest.approx((1 / (1 + D2) + 1.0) / 2) and right["n_users"] == 2
    assert right["p_value"] == 0.5  # of four signs two are as far
    assert right["p_holm"] == 1.0  # one of several groups
    assert "user_degree" not in found  # each has one user
