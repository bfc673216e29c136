"""mmrec.experiment.tuning.space: ranges are told from choices, and what is neither is refused."""

import math

import pytest

from mmrec.errors import ConfigError
from mmrec.experiment.tuning.space import Range, n_settings, read_space


def test_ranges_and_choices() -> None:
    read = read_space({"a": [1, 9, "int"], "b": [0.1, 10, "log"], "c": ["text", "image", "int"], "d": [1, 2, 3], "e": [True, False, "log"]})
    assert read["a"] == Range(1, 9, "int") and read["b"] == Range(0.1, 10, "log")
    assert (read["c"], read["d"], read["e"]) == (["text", "image", "int"], [1, 2, 3], [True, False, "log"])


@pytest.mark.parametrize(
    ("space", "n"),
    [({}, 1), ({"a": [1, 2], "b": [3, 9, "int"]}, 14), ({"a": [1, 2], "b": [3, 9, "log"]}, math.inf)],
)
def test_number_of_settings(space: dict, n: float) -> None:
    assert n_settings(read_space(space)) == n


@pytest.mark.parametrize("values", [[], 3, [1, 2, "exp"], [2, 1, "int"], [1, 1, "linear"], [0, 1, "log"], [0.5, 3, "int"]])
def test_what_is_neither_is_refused(values: object) -> None:
    with pytest.raises(ConfigError, match=r"^space\.a: expected .* found "):
        read_space({"a": values})
