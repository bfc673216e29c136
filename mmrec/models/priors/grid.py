"""Choosing one value after another on the validation part, each from a grid that grows where its end is best."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MORE = 8
"""Values tried beyond one end of a grid, at most."""
_NOTES = ("on_edge", "left_out", "closed")


class Choices:
    """The values that were chosen so far, by name, and which of them might have been better still beyond the end of their grid."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.on_edge: list[str] = []

    def take(
        self, name: str, values: Sequence[float], measure: Callable[[float], float], low: float = -math.inf, high: float = math.inf
    ) -> float:
        """Choose the value of the grid with the highest measure, of equals the first, and remember it under `name`.

        While the best is the last of the grid at either end, the grid is continued there (see `beyond`), as long as the measure rises. A
        grid of a single value is not continued. `low` and `high` are the values beyond which there are none, or none with a different
        meaning: a value next to them is on no edge.
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
        """The values by name and, where there are any, the names of those on an edge as `on_edge`."""
        return self.values | ({"on_edge": self.on_edge} if self.on_edge else {})


def describe_choices(chosen: Mapping[str, Any]) -> str:
    """What was chosen on one line: `rank 32, smoothing 0.3; on an edge: rank`."""
    values = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in chosen.items() if name not in _NOTES
    ]
    edges, left_out = chosen.get("on_edge", []), chosen.get("left_out", {})
    notes = [f"on an edge: {', '.join(edges)}"] if edges else []
    notes += [f"{name} left out: {reason}" for name, reason in left_out.items()]
    notes += [f"does without {', '.join(closed)}"] if (closed := chosen.get("closed", [])) else []
    return "; ".join([", ".join(values), *notes])


def beyond(grid: Sequence[float], end: int, low: float, high: float) -> float | None:
    """The next value of an ascending grid before its first (`end` 0) or after its last (`end` -1), of the same type; None past a bound.

    In the ratio of the two values at that end where both are above 0, else in their distance.
    """
    last, before = (grid[0], grid[1]) if end == 0 else (grid[-1], grid[-2])
    value = last * last / before if min(last, before) > 0 else 2 * last - before
    value = round(value) if isinstance(last, int) else value
    within = min(max(value, low), high)
    return within if (within < last if end == 0 else within > last) else None
