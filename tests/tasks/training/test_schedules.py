"""Learning-rate schedules: their values at known steps, and the reduction on a plateau."""

import pytest
import torch

from mmrec.tasks.training.rates import set_rates
from mmrec.tasks.training.schedules import ConstantRate, CosineRate, LinearRate, OneCycleRate, PlateauRate, Schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ConstantRate(), {0: 1.0, 100: 1.0}),
        (ConstantRate(warmup_steps=4), {0: 0.25, 1: 0.5, 3: 1.0, 50: 1.0}),
        (CosineRate(), {0: 1.0, 50: 0.5, 100: 0.0, 120: 0.0}),
        (CosineRate(warmup_steps=20, final=0.2), {0: 0.05, 20: 1.0, 60: 0.6, 100: 0.2}),
        (LinearRate(), {0: 1.0, 25: 0.75, 100: 0.0}),
        (LinearRate(warmup_steps=20, final=0.5), {9: 0.5, 20: 1.0, 60: 0.75, 100: 0.5, 200: 0.5}),
        (OneCycleRate(initial=0.2, final=0.1, rise=0.5), {0: 0.2, 25: 0.6, 50: 1.0, 75: 0.55, 100: 0.1, 300: 0.1}),
        (OneCycleRate(rise=1.0), {0: 0.04, 100: 1.0}),
    ],
)
def test_factors_at_known_steps_of_101(schedule: Schedule, expected: dict[int, float]) -> None:
    assert {step: schedule.factor(step, 101) for step in expected} == pytest.approx(expected)


def test_a_single_step_has_a_rate() -> None:
    for schedule in (CosineRate(), LinearRate(), OneCycleRate()):
        assert 0 < schedule.factor(0, 1) <= 1


def test_a_plateau_reduces_the_rate_and_its_state_comes_back() -> None:
    plateau, levels = PlateauRate(plateau_epochs=1, least=0.2), []
    for value in (0.3, 0.2, 0.3, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1):
        again = PlateauRate(plateau_epochs=1, least=0.2)
        again.restore(plateau.state)
        plateau = again
        plateau.observe(value)
        levels.append(plateau.factor(7, 10))
    assert levels == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_rates_are_relative_to_those_configured_or_to_the_warm_up_of_an_encoder() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parameters[:1], "lr": 0.5}, {"params": parameters[1:], "lr": 0.3, "peak_lr": 0.6}])
    options = [{"lr": 0.5}, {"lr": 0.6}]
    for factor in (0.5, 0.1):
        optimizer.param_groups[1]["lr"] = 0.3
        set_rates(optimizer, options, factor)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5 * factor, 0.3 * factor])
