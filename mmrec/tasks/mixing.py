"""Choosing the weights of a mixture of scores on the validation part: one weight at a time, uphill over a grid."""

from collections.abc import Callable
from typing import TypeVar

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.recommender import Parts, Weights

Measured = TypeVar("Measured")
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0)
LIFTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


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
