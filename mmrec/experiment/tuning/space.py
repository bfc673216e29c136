"""Hyperparameter spaces: choices and ranges, as written in a configuration.

`name: [1, 2, 5]` are choices of any type. `name: [low, high, log]` is a range including both ends: `log` and `linear` for real numbers,
`int` for integers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmrec.errors import ConfigError

SCALES = ("log", "linear", "int")
SEARCH = {"space", "n_trials", "capped", "first"}
"""The keys of a search, in addition to a model's own arguments."""


class Range(NamedTuple):
    """The numbers from `low` to `high`."""

    low: float
    high: float
    scale: str


class Search(NamedTuple):
    """The space and the budget of a search."""

    space: dict[str, list[Any]]
    n_trials: int
    """The maximal number of settings fitted within the space; beyond its edges, at most half as many more."""
    seed: int
    capped: tuple[str, ...] = ()
    """Keys whose space is not extended if the best value is on its edge, because values beyond are too expensive."""
    first: tuple[dict[str, Any], ...] = ()
    """Settings to try first, such as known good ones. Missing keys are sampled; settings outside the space, which may have been narrowed,
    are skipped."""


def is_range(values: Sequence[Any]) -> bool:
    """Whether values are two numbers and a scale; all others are choices."""
    numbers = [v for v in values[:2] if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(values) == 3 and len(numbers) == 2 and isinstance(values[2], str)


def read_space(space: Mapping[str, Any]) -> dict[str, list[Any] | Range]:
    """Parse ranges. Raises ConfigError, naming the key, for empty lists and invalid ranges."""
    read: dict[str, list[Any] | Range] = {}
    for name, values in space.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"space.{name}: expected a list of choices or [low, high, scale], found `{values}`")
        read[name] = _read_range(name, Range(*values)) if is_range(values) else values
    return read


def on_edge(values: list[Any] | Range, value: Any) -> int:
    """-1 if a value is on the lower edge of its space, 1 on the upper, else 0; spaces without two numbers have no edges.

    In a range of real numbers, the edge is as wide as a step of `beyond`, since the exact ends are never sampled.
    """
    if isinstance(values, Range) and values.scale != "int":
        step = beyond(values, value, -1), beyond(values, value, 1)
        return -1 if step[0] <= values.low else int(step[1] >= values.high)
    if not _are_numbers(values) or value not in (low := _extremes(values)):
        return 0
    return -1 if value == low[0] else 1


def beyond(values: list[Any] | Range, value: Any, side: int) -> Any:
    """The next value on one side of a value: as far as the nearest choice, by ratio for positive numbers.

    In a range, the step is an eighth of the range.
    """
    if isinstance(values, Range) and values.scale != "int":
        return value * (values.high / values.low) ** (side / 8) if values.scale == "log" else value + side * (values.high - values.low) / 8
    numbers = sorted({*_choices(values), value}, reverse=side < 0)
    last, nearest = value, [number for number in numbers if number != value][-1]
    ratio = last * last / nearest if min(last, nearest) > 0 else 2 * last - nearest
    return (max(round(ratio), last + 1) if side > 0 else min(round(ratio), last - 1)) if isinstance(last, int) else ratio


def n_settings(space: dict[str, list[Any] | Range]) -> float:
    """The number of settings in a space; infinite with a range of real numbers. A space without keys has one setting, the defaults."""
    return math.prod(_n_values(values) for values in space.values())


def is_within(setting: dict[str, Any], space: dict[str, list[Any] | Range]) -> bool:
    """Whether a setting only has keys and values of the space."""

    def is_value(value: Any, values: list[Any] | Range) -> bool:
        return values.low <= value <= values.high if isinstance(values, Range) else value in values

    return all(name in space and is_value(value, space[name]) for name, value in setting.items())


def search_problems(node: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """The problems of the `space`, `n_trials`, `capped` and `first` of a baseline."""
    if not SEARCH & node.keys():
        return
    space, n_trials = node.get("space", {}), node.get("n_trials")
    capped = node.get("capped") or []
    if not (isinstance(capped, list) and all(isinstance(one, str) for one in capped)):
        yield f"{key}.capped", f"expected a list of keys of the space, found `{capped}`"
    if not isinstance(space, dict):
        yield f"{key}.space", f"expected a list of values for each key, found `{space}`"
        return
    try:
        read_space(space)
    except ConfigError as error:
        yield from [(f"{key}.{part}", problem) for part, _, problem in [str(error).partition(": ")]]
    first = node.get("first") or []
    if not (isinstance(first, list) and all(isinstance(one, dict) for one in first)):
        yield f"{key}.first", f"expected a list of settings with one value per key of the space, found `{first}`"
    if (space or n_trials is not None) and not (type(n_trials) is int and n_trials >= 1):
        yield f"{key}.n_trials", f"expected the number of settings to try, at least 1, found `{n_trials}`"


def ends(values: list[Any]) -> list[Any]:
    """The values of a choice, or the two ends of a range in the type in which they are sampled."""
    if not is_range(values):
        return values
    return [end if values[2] == "int" else float(end) for end in values[:2]]


def _n_values(values: list[Any] | Range) -> float:
    if isinstance(values, Range):
        return values.high - values.low + 1 if values.scale == "int" else math.inf
    return len(values)


def _choices(values: list[Any] | Range) -> list[Any]:
    return [int(values.low), int(values.high)] if isinstance(values, Range) else values


def _extremes(values: list[Any] | Range) -> tuple[Any, Any]:
    return min(_choices(values)), max(_choices(values))


def _are_numbers(values: list[Any] | Range) -> bool:
    """Whether there are several values and all are numbers."""
    choices = _choices(values)
    return len(set(map(str, choices))) > 1 and all(isinstance(one, int | float) and not isinstance(one, bool) for one in choices)


def _read_range(name: str, one: Range) -> Range:
    if one.scale not in SCALES:
        raise ConfigError(f"space.{name}: expected one of {', '.join(SCALES)} as the scale of a range, found `{one.scale}`")
    if one.low >= one.high or (one.scale == "log" and one.low <= 0):
        above = " above 0" if one.scale == "log" else ""
        raise ConfigError(f"space.{name}: expected a low end{above} below the high end, found {one.low} and {one.high}")
    if one.scale == "int" and not (isinstance(one.low, int) and isinstance(one.high, int)):
        raise ConfigError(f"space.{name}: expected whole numbers as the ends of an int range, found {one.low} and {one.high}")
    return one
