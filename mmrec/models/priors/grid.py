"""Choose hyperparameters one after another on the validation part, from grids that are extended if the best value is at an end."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MORE = 8
"""The maximal number of values tried beyond an end of a grid."""
_NOTES = ("on_edge", "left_out", "closed", "half_lives")


class Choices:
    """The values chosen so far by name, and those that may be better still beyond the end of their grid."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.on_edge: list[str] = []

    def take(
        self, name: str, values: Sequence[float], measure: Callable[[float], float], low: float = -math.inf, high: float = math.inf
    ) -> float:
        """Choose the grid value with the highest measure (the first one in case of a tie), and store it under `name`.

        While the best value is at an end, the grid is extended there (see `beyond`) as long as the measure increases; a grid with a single
        value is not extended. Values outside `low` to `high` do not exist or have the same effect, so a value at these bounds is not
        considered to be on an edge.
        """
        grid, measured = sorted(set(values)), functools.cache(measure)
        best, may_rise = max(grid, key=measured) if len(grid) > 1 else grid[0], False
        for end in (0, -1) if len(grid) > 1 else ():
            n_tried = 0
            while best == grid[end] and (more := beyond(grid, end, low, high)) is not None:
                if may_rise := n_tried == _MORE:
                    break
                grid.insert(0 if end == 0 else len(grid), more)
                n_tried += 1
                if measured(more) > measured(best):
                    best = more
        self.values[name] = best
        self.on_edge += [name] if may_rise else []
        return best

    def plain(self) -> dict[str, Any]:
        """The values by name and, if there are any, the names of those on an edge as `on_edge`."""
        return self.values | ({"on_edge": self.on_edge} if self.on_edge else {})


def describe_choices(chosen: Mapping[str, Any]) -> str:
    """The choices on one line: `rank 32, smoothing 0.3; on an edge: rank`."""
    values = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in chosen.items() if name not in _NOTES
    ]
    edges, left_out = chosen.get("on_edge", []), chosen.get("left_out", {})
    notes = [f"on an edge: {', '.join(edges)}"] if edges else []
    notes += [f"{name} left out: {reason}" for name, reason in left_out.items()]
    notes += [f"does without {', '.join(closed)}"] if (closed := chosen.get("closed", [])) else []
    return "; ".join([", ".join(values), *notes])


def beyond(grid: Sequence[float], end: int, low: float, high: float) -> float | None:
    """The next value before the first (`end` 0) or after the last (`end` -1) of an ascending grid, with the same type; None beyond a bound.

    Continues with the ratio of the two values at that end if both are positive, else with their difference.
    """
    last, before = (grid[0], grid[1]) if end == 0 else (grid[-1], grid[-2])
    value = last * last / before if min(last, before) > 0 else 2 * last - before
    value = round(value) if isinstance(last, int) else value
    within = min(max(value, low), high)
    return within if (within < last if end == 0 else within > last) else None
