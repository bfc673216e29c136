"""The settings of a model among which validation chooses: choices and ranges, as a configuration writes them.

`name: [1, 2, 5]` are choices, of any kind. `name: [low, high, log]` is a range, both ends included: `log` and `linear` are of real
numbers, `int` of whole ones.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmrec.errors import ConfigError

SCALES = ("log", "linear", "int")
SEARCH = {"space", "n_trials"}
"""The keys of a search, beside a model's own arguments."""


class Range(NamedTuple):
    """All numbers from `low` to `high`."""

    low: float
    high: float
    scale: str


class Search(NamedTuple):
    """Where to look for settings, and for how long."""

    space: dict[str, list[Any]]
    n_trials: int
    """At most so many settings are fitted; all of them, where there are no more."""
    seed: int


def is_range(values: Sequence[Any]) -> bool:
    """Whether values are two numbers and a scale; all else are choices."""
    numbers = [v for v in values[:2] if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(values) == 3 and len(numbers) == 2 and isinstance(values[2], str)


def read_space(space: dict[str, list[Any]]) -> dict[str, list[Any] | Range]:
    """The same with ranges told from choices. Raises ConfigError, naming the key, for one without values or a range that has none."""
    read: dict[str, list[Any] | Range] = {}
    for name, values in space.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"space.{name}: expected a list of choices or [low, high, scale], came `{values}`")
        read[name] = _read_range(name, Range(*values)) if is_range(values) else values
    return read


def n_settings(space: dict[str, list[Any] | Range]) -> float:
    """How many settings a space has; infinite with a range of real numbers. A space without keys has one, the defaults."""
    return math.prod(_n_values(values) for values in space.values())


def search_problems(node: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the `space` and `n_trials` of a baseline."""
    if not SEARCH & node.keys():
        return
    space, n_trials = node.get("space", {}), node.get("n_trials")
    if not isinstance(space, dict):
        yield f"{key}.space", f"expected a list of values a key, came `{space}`"
        return
    try:
        read_space(space)
    except ConfigError as error:
        yield from [(f"{key}.{part}", problem) for part, _, problem in [str(error).partition(": ")]]
    if (space or n_trials is not None) and not (type(n_trials) is int and n_trials >= 1):
        yield f"{key}.n_trials", f"expected the number of settings to try, at least 1, came `{n_trials}`"


def ends(values: list[Any]) -> list[Any]:
    """The values of a choice, or the two ends of a range as they would be drawn."""
    if not is_range(values):
        return values
    return [end if values[2] == "int" else float(end) for end in values[:2]]


def _n_values(values: list[Any] | Range) -> float:
    if isinstance(values, Range):
        return values.high - values.low + 1 if values.scale == "int" else math.inf
    return len(values)


def _read_range(name: str, one: Range) -> Range:
    if one.scale not in SCALES:
        raise ConfigError(f"space.{name}: expected one of {', '.join(SCALES)} as the scale of a range, came `{one.scale}`")
    if one.low >= one.high or (one.scale == "log" and one.low <= 0):
        above = " above 0" if one.scale == "log" else ""
        raise ConfigError(f"space.{name}: expected a low end{above} below the high end, came {one.low} and {one.high}")
    if one.scale == "int" and not (isinstance(one.low, int) and isinstance(one.high, int)):
        raise ConfigError(f"space.{name}: expected whole numbers as the ends of an int range, came {one.low} and {one.high}")
    return one
