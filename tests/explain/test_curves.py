"""Areas under deletion and insertion against their definition, and which order they prefer."""

from collections.abc import Sequence
from itertools import permutations
from unittest.mock import create_autospec

import pytest
import torch
from torch import Tensor

from mmrec.explain.curves import evidence_areas, history_area, kept_subsets
from mmrec.explain.evidence import EvidenceExplainer

WORTH = {1: 3.0, 4: -1.0, 7: 0.5, 8: 2.0}


def lead(histories: Sequence[Sequence[int]]) -> Tensor:
    return torch.tensor([sum(WORTH[one] for one in history) for history in histories])


def test_the_order_by_worth_is_the_best_of_all_in_both_curves() -> None:
    best = sorted(WORTH, key=lambda one: -WORTH[one])
    deletion = {order: history_area(lead, order, True) for order in permutations(WORTH)}
    insertion = {order: history_area(lead, order, False) for order in permutations(WORTH)}
    assert min(deletion, key=lambda one: deletion[one]) == max(insertion, key=lambda one: insertion[one]) == tuple(best)
    assert insertion[tuple(best)] == pytest.approx((0 + 3 + 5 + 5.5 + 4.5) / 5)
    assert deletion[tuple(best)] == pytest.approx((4.5 + 1.5 - 0.5 - 1 + 0) / 5)


def test_a_long_history_is_cut_at_points_of_equal_distance() -> None:
    assert [len(one) for one in kept_subsets(range(25), True, 10)] == [25, 23, 20, 17, 15, 13, 10, 7, 5, 3, 0]
    with pytest.raises(ValueError, match="n_steps: expected 1 to 2, found 3"):
        kept_subsets("ab", True, 3)


def test_areas_of_evidence_are_means_over_all_points() -> None:
    def value(kept: frozenset[str], user_idx: Tensor, item_idx: Tensor) -> Tensor:
        return item_idx * sum({"text": 1.0, "image": 10.0, "kg": 100.0}[one] for one in kept)

    explainer = create_autospec(EvidenceExplainer, instance=True, modalities=("text", "image", "kg"))
    explainer.value.side_effect = value
    users, items = torch.tensor([0, 1]), torch.tensor([1, 2])
    importance = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])  # text first; kg first
    found = evidence_areas(explainer, users, items, importance, True)
    assert found.tolist() == [(111 + 110 + 100 + 0) / 4, 2 * (111 + 11 + 1 + 0) / 4]
    found = evidence_areas(explainer, users, items, importance, False)
    assert found.tolist() == [(0 + 1 + 11 + 111) / 4, 2 * (0 + 100 + 110 + 111) / 4]
