"""mmrec.nn.heads.click: effects of positions, and the calibration by hand and by the best of many."""

import json
import math

import pytest
import torch

from mmrec.errors import DataError
from mmrec.metrics.click import log_loss
from mmrec.nn.heads.click import Calibration, ClickHead, click_head_from, fit_calibration


def head() -> ClickHead:
    found = ClickHead(torch.tensor([1, 2, 5]))
    with torch.no_grad():
        found.effects.copy_(torch.tensor([-1.0, -3.0]))
    return found


def test_positions_add_their_effect_and_unknown_ones_that_of_the_next_smaller() -> None:
    found = head().effect(torch.tensor([1, 2, 5, 3, 9, 0, -1]))
    assert found.tolist() == [0.0, -1.0, -3.0, -1.0, -3.0, 0.0, 0.0]
    assert head().logits(torch.tensor([2.0]), None).tolist() == [2.0]
    assert ClickHead(torch.zeros(0, dtype=torch.int64)).effect(torch.tensor([4])).tolist() == [0.0]


def test_the_calibration_is_found_again() -> None:
    logits = torch.linspace(-4, 4, 20001)
    clicked = torch.rand(20001, generator=torch.Generator().manual_seed(0)) < (logits / 2 - 1).sigmoid()
    found = fit_calibration(logits, clicked)
    assert found == pytest.approx((2.0, -1.0), abs=0.1)

    def loss(temperature: float, offset: float) -> float:
        return log_loss(logits.double() / temperature + offset, clicked)

    best = loss(*found)
    for factor, shift in ((1.01, 0.0), (0.99, 0.0), (1.0, 0.02), (1.0, -0.02)):
        assert loss(found.temperature * factor, found.offset + shift) > best


def test_scores_that_say_nothing_or_the_opposite_stay_finite() -> None:
    clicked = torch.tensor([True, False, False, False] * 50)
    flat = fit_calibration(torch.zeros(200), clicked)
    assert flat.offset == pytest.approx(-math.log(3), abs=1e-4)
    opposite = fit_calibration(torch.where(clicked, -1.0, 1.0), clicked)
    assert opposite.temperature == 20.0 and math.isfinite(opposite.offset)


def test_a_description_makes_the_same_head() -> None:
    first = head().with_calibration(Calibration(2.0, 0.5))
    second = click_head_from(json.loads(json.dumps(first.describe())))
    position = torch.tensor([1, 2, 5])
    assert torch.equal(first.effect(position), second.effect(position)) and second.calibration == Calibration(2.0, 0.5)
    assert second.calibrated(torch.tensor([3.0])).tolist() == [2.0]
    assert head().calibration == Calibration()
    with pytest.raises(DataError, match="the head of a model of clicks"):
        click_head_from({"positions": [1, 2]})
