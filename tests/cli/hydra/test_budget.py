"""The budget of `mmrec tune`."""

import pytest

from mmrec.cli.hydra.budget import expand_budget
from mmrec.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["budget_minutes=30", "seed=1"], ["tune.minutes=30", "seed=1", "tune.pruner=median"]),
        (["budget_fits=5", "tune.pruner=halving"], ["tune.fits=5", "tune.pruner=halving"]),
        (["tune.minutes=1"], ["tune.minutes=1", "tune.pruner=median"]),
        (["resume=runs/x"], ["resume=runs/x"]),
        (["--help"], ["--help"]),
    ],
)
def test_a_budget_is_that_of_the_search(words: list[str], expected: list[str]) -> None:
    assert expand_budget(words) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [(["data=demo_shop"], "expected a budget"), (["budget_minuts=3"], r"budget_minuts: .*did you mean `budget_minutes`\?")],
)
def test_without_a_budget_nothing_is_searched(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_budget(words)
