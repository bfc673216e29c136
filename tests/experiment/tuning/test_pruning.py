"""When a trial is stopped early: by the median of the others, or by successive halving."""

import math

import pytest

from mmrec.errors import ConfigError
from mmrec.experiment.tuning.pruning import check_pruner, is_hopeless

OTHERS = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.5, 0.6]]


@pytest.mark.parametrize(
    ("values", "others", "stopped"),
    [
        ([0.0], OTHERS, False),  # too early
        ([0.0, 0.29], OTHERS, True),
        ([0.0, 0.3], OTHERS, False),
        ([0.35, 0.1], OTHERS, False),  # its best value counts
        ([0.0, 0.0], OTHERS[:2], False),  # too few
        ([0.0, 0.0, 0.0], [[1.0, 1.0]] * 5, False),  # none came so far
        ([math.nan, math.nan], OTHERS, True),
    ],
)
def test_the_median_of_others_at_the_same_epoch(values: list[float], others: list[list[float]], stopped: bool) -> None:
    assert is_hopeless("median", values, others, 1) == stopped
    flipped = [[-value for value in other] for other in others]
    assert is_hopeless("median", [-value for value in values], flipped, -1) == stopped


@pytest.mark.parametrize(
    ("values", "stopped"),
    [([0.0], False), ([0.0, 0.25], True), ([0.0, 0.35], False), ([0.0, 0.0, 0.0], False), ([0.0, 0.0, 0.0, 0.45], True)],
)
def test_halving_keeps_the_better_half_at_each_rung(values: list[float], stopped: bool) -> None:
    assert is_hopeless("halving", values, OTHERS, 1) == stopped


def test_the_first_trial_is_never_stopped() -> None:
    for pruner in ("none", "median", "halving"):
        assert not is_hopeless(pruner, [0.0] * 4, [], 1)
    assert not is_hopeless("none", [0.0] * 4, OTHERS, 1)


def test_an_unknown_rule_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"tune\.pruner.*`medain`; did you mean `median`\?"):
        check_pruner("medain")
