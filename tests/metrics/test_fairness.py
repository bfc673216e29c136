"""mmrec.metrics.fairness: hand-worked values, groups without members, and fair lists."""

import math

import pytest
import torch

from mmrec.metrics.fairness import (
    exposure_disparity,
    exposure_ratio,
    group_exposure,
    group_gap,
    group_means,
    group_share,
)

D2 = 1 / math.log2(3)


def test_user_groups_by_hand() -> None:
    values = torch.tensor([0.1, 0.3, math.nan, 0.8, 0.9]).double()
    means = group_means(values, torch.tensor([0, 0, 0, 1, -1]), n_groups=3)
    assert means.tolist() == pytest.approx([0.2, 0.8, math.nan], nan_ok=True)
    assert group_gap(means) == pytest.approx(0.6)
    assert math.isnan(group_gap(torch.full((2,), math.nan).double()))


def test_provider_groups_by_hand() -> None:
    """Item 3 is of no known group; a place of it or of nothing is no exposure."""
    groups = torch.tensor([0, 1, 1, -1])
    exposure = group_exposure(torch.tensor([[0, 1], [3, 0], [2, -1]]), groups, n_groups=2)
    assert exposure.tolist() == pytest.approx([(1 + D2) / (2 + 2 * D2), (D2 + 1) / (2 + 2 * D2)])
    due = group_share(torch.ones(4), groups, n_groups=2)
    assert due.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert exposure_ratio(exposure, due).tolist() == pytest.approx([1.5, 0.75])
    assert exposure_disparity(exposure, due) == pytest.approx(1 / 6)
    merit = group_share(torch.tensor([6, 1, 1, 9]).float(), groups, n_groups=2)
    assert merit.tolist() == pytest.approx([0.75, 0.25])
    assert exposure_disparity(exposure, merit) == pytest.approx(0.25)


def test_every_item_at_every_rank_once_is_fair() -> None:
    lists = torch.stack([torch.arange(6).roll(n) for n in range(6)])
    groups = torch.tensor([0, 0, 0, 1, 1, 2])
    exposure, due = group_exposure(lists, groups, 3), group_share(torch.ones(6), groups, 3)
    assert exposure_ratio(exposure, due).tolist() == pytest.approx([1, 1, 1])
    assert exposure_disparity(exposure, due) == pytest.approx(0)


def test_nothing_shown_is_no_share() -> None:
    assert group_exposure(torch.full((2, 3), -1), torch.tensor([0, 1]), n_groups=2).isnan().all()
