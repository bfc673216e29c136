"""mmrec.evaluation.measure.fairness: gaps between groups of users, and exposure beside what is due, by hand."""

import math

import polars as pl
import pytest
import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.fairness import describe_fairness, user_gaps
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.metrics.full_ranking import Evaluated, Ranking

D2 = 1 / math.log2(3)
# Items 0 and 1 are of x, 2 of both, 3 of y, 4 of nothing known. Users are 1, 2, 3 of four.
GROUPS = ItemGroups(("x", "y"), torch.tensor([[1, 0], [1, 0], [0.5, 0.5], [0, 1], [0, 0]], dtype=torch.float64))
TRAIN = InteractionMatrix.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 2, 0, 4]), n_users=4, n_items=5)
RANKING = Ranking(torch.tensor([1, 2, 3]), torch.tensor([[0, 2], [3, 4], [2, -1]]), torch.zeros(3, 2))
EVALUATED = Evaluated(RANKING, pl.DataFrame({"user_idx": [1, 2, 3], "ndcg@2": [0.5, 0.1, 0.9]}))
KINDS = {
    "users.sex": {"F": torch.tensor([True, True, True, False]), "M": torch.tensor([False, False, False, True])},
    "users.one": {"all": torch.tensor([True] * 4), "none": torch.tensor([False] * 4)},
}


def test_the_gap_names_the_worst_and_the_best_group() -> None:
    assert user_gaps(EVALUATED, KINDS, "ndcg@2", min_users=1) == {"users.sex": {"ndcg@2": pytest.approx(0.6), "worst": "F", "best": "M"}}
    assert user_gaps(EVALUATED, KINDS, "ndcg@2", min_users=2) == {}  # M is one user


def test_exposure_beside_what_is_due() -> None:
    """Item 0 is first once, 3 too, 2 second and first: to x go 1 + (D2 + 1) / 2, to y as much. Training: 2.5 of x, half of y."""
    found = describe_fairness({"ours": EVALUATED}, TRAIN, KINDS, {"items.kind": GROUPS}, k=2)
    due = found["due"]["items.kind"]
    assert due["catalogue"] == pytest.approx({"x": 2.5 / 4, "y": 1.5 / 4}) and due["merit"] == pytest.approx({"x": 2.5 / 3, "y": 0.5 / 3})
    items = found["models"]["ours"]["items"]["items.kind"]
    assert items["exposure"] == pytest.approx({"x": 0.5, "y": 0.5})
    assert items["catalogue_ratio"] == pytest.approx({"x": 0.8, "y": 4 / 3}) and items["catalogue_disparity"] == pytest.approx(0.125)
    assert items["merit_ratio"] == pytest.approx({"x": 0.6, "y": 3.0}) and items["merit_disparity"] == pytest.approx(1 / 3)
    assert found["models"]["ours"]["users"] == {}  # no group of ten


def test_the_first_place_counts_most_and_only_the_first_k_do() -> None:
    lists = Ranking(torch.tensor([1]), torch.tensor([[3, 0, 1]]), torch.zeros(1, 3))
    items = describe_fairness({"ours": EVALUATED._replace(ranking=lists)}, TRAIN, {}, {"items.kind": GROUPS}, k=2)["models"]["ours"][
        "items"
    ]
    assert items["items.kind"]["exposure"] == pytest.approx({"x": D2 / (1 + D2), "y": 1 / (1 + D2)})


def test_a_ratio_to_nothing_is_none() -> None:
    cold = ItemGroups(("warm", "cold"), torch.tensor([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], dtype=torch.float64))
    items = describe_fairness({"ours": EVALUATED}, TRAIN, {}, {"item_degree": cold}, k=2)["models"]["ours"]["items"]["item_degree"]
    assert items["merit_ratio"]["cold"] is None and items["exposure"]["cold"] > 0
