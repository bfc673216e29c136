"""mmrec.evaluation.measure.calibration: profiles beside lists, by hand, in one chunk or in many."""

import math

import pytest
import torch

import mmrec.evaluation.measure.calibration
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.calibration import describe_calibration, miscalibration
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.metrics.full_ranking import Ranking

# Items 0 and 1 are of x, 2 of y, 3 of both, 4 of nothing known.
GROUPS = ItemGroups(("x", "y"), torch.tensor([[1, 0], [1, 0], [0, 1], [0.5, 0.5], [0, 0]], dtype=torch.float64))
TRAIN = InteractionMatrix.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 2, 1, 4]), n_users=3, n_items=5)
LISTS = torch.tensor([[3, 1, 2], [2, 4, 0], [0, 1, -1]])
RANKING = Ranking(torch.tensor([0, 1, 2]), LISTS, torch.zeros(3, 3))


@pytest.mark.parametrize("chunk_bytes", [1, 2**20])
def test_by_hand(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """User 0 had x and y and is shown 1.5 of 2 in x; user 1 had x and is shown y; user 2 had nothing."""
    monkeypatch.setattr(mmrec.evaluation.measure.calibration, "_CHUNK_BYTES", chunk_bytes)
    found = miscalibration(RANKING, TRAIN, GROUPS, k=2)
    q = 0.99 * 0.75 + 0.01 * 0.5
    assert found[:2].tolist() == pytest.approx([0.5 * math.log(0.5 / q) + 0.5 * math.log(0.5 / (1 - q)), -math.log(0.01)])
    assert found[2].isnan()
    described = describe_calibration({"ours": RANKING}, TRAIN, {"items.kind": GROUPS}, k=2)["items.kind"]
    assert described["profiles"] == {"x": 0.75, "y": 0.25}  # halves, and x alone; user 2 has none
    assert described["lists"] == {"ours": {"x": (0.75 + 0) / 2, "y": (0.25 + 1) / 2}}  # of the users who have a profile


def test_without_users_there_is_nothing_and_no_error() -> None:
    nobody = Ranking(*(column[:0] for column in RANKING))
    assert len(miscalibration(nobody, TRAIN, GROUPS, k=2)) == 0
    assert describe_calibration({"ours": nobody}, TRAIN, {"items.kind": GROUPS}, k=2)["items.kind"]["profiles"] == {"x": 0.0, "y": 0.0}
