"""mmrec.evaluation.measure.pooled: metrics of the rows of a group, and how much happened of what was predicted."""

import pytest
import torch

from mmrec.evaluation.measure.pooled import pooled_slices, reliability
from mmrec.evaluation.measure.slices import Groups
from mmrec.metrics.pooled import Pooled

ERRORS = torch.tensor([1.0, 3.0, 5.0, 7.0])
ROWS = Pooled(
    torch.tensor([0, 0, 1, 2]),
    torch.tensor([0, 1, 1, 2]),
    ERRORS[:, None],
    lambda rows: {"mae": rows.mean().item()},
    lambda rows: (rows.flatten() / 10, rows.flatten() > 4),
)


def test_a_group_has_its_rows_alone() -> None:
    items = {"cold": torch.tensor([False, True, False]), "none": torch.zeros(3, dtype=torch.bool)}
    users = {"user_degree": {"few": torch.tensor([True, False, True])}}
    found = pooled_slices(ROWS, Groups(items, users), seed=0)
    assert found["item_degree"].keys() == {"cold"}
    assert (found["item_degree"]["cold"]["n"], found["item_degree"]["cold"]["mae"]) == (2, 4.0)
    few = found["user_degree"]["few"]
    assert (few["n"], few["mae"]) == (2, pytest.approx(11 / 3))  # two users with three rows
    low, high = few["intervals"]["mae"]
    assert low == 2.0 and high == 7.0


def test_what_happened_beside_what_was_predicted() -> None:
    draw = torch.Generator().manual_seed(0)
    probability = torch.rand(5000, generator=draw)
    happened = torch.rand(5000, generator=draw) < probability
    user = torch.zeros(5000, dtype=torch.int64)
    bins = reliability(Pooled(user, user, probability[:, None], lambda rows: {}, lambda rows: (rows[:, 0], happened)))
    assert [one["n"] for one in bins] == [500] * 10
    assert all(abs(one["predicted"] - one["observed"]) < 0.1 for one in bins)
    assert bins[0]["predicted"] < 0.1 and bins[-1]["predicted"] > 0.9
    assert reliability(ROWS.of(ROWS.user_idx == 2)) == [{"predicted": pytest.approx(0.7), "observed": 1.0, "n": 1}]
