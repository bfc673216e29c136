"""Choosing the weights of a mixture of scores on the validation part: one weight at a time, uphill over a grid."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.recommender import Parts, Weights

Measured = TypeVar("Measured")
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0, 1000.0)
"""Up to where a part decides alone, and what else there is says no more than which of equals comes first."""
LIFTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


def weight_grids(parts: Parts, valid: EvaluationSet) -> dict[str, tuple[float, ...]]:
    """The values to try of each weight that the validation part can tell something about.

    That of new users needs such users in it, and the lift of cold items such items, in the parts of all processes alike: what is asked of
    `valid` is asked of all its positives, not of this process's users alone.
    """
    users = valid.positives.degree > 0
    tried = {
        "linear": parts.linear_items.shape[1] > 0,
        "trend": bool(parts.trend.any() and (users & parts.known_users).any()),
        "trend_for_new": bool(parts.trend.any() and (users & ~parts.known_users).any()),
        "cold_lift": bool((valid.positives.item_degree[~parts.known_items] > 0).any()),
    }
    return {name: LIFTS if name == "cold_lift" else SHARES for name, told in tried.items() if told}


def describe_weights(weights: Weights) -> dict[str, Any]:
    """The weights by name, as plain values, and those at the top of their grid as `on_edge`."""
    values = {name: round(value, 6) for name, value in weights._asdict().items()}
    on_edge = [name for name, value in values.items() if value >= (LIFTS if name == "cold_lift" else SHARES)[-1]]
    return values | ({"on_edge": on_edge} if on_edge else {})


def climb(
    start: Weights, grids: dict[str, tuple[float, ...]], measure: Callable[[Weights], Measured], value: Callable[[Measured], float]
) -> tuple[Weights, Measured]:
    """The best weights found from `start`, and what was measured there: of each weight in turn neighbouring values of its grid are tried,
    up and then down, as long as the value does not fall: it may rise beyond a plain.
    """
    best, measured = start, measure(start)
    for name, grid in grids.items():
        nearest = int((torch.tensor(grid) - getattr(best, name)).abs().argmin())
        for direction in (1, -1):
            at, moved = nearest, False
            while 0 <= (at := at + direction) < len(grid):
                tried = best._replace(**{name: grid[at]})
                found = measure(tried)
                if value(found) < value(measured):
                    break
                if value(found) > value(measured):
                    best, measured, moved = tried, found, True
            if moved:
                break
    return best, measured
