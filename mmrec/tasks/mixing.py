"""Choose the weights of a score mixture on the validation part by coordinate-wise hill climbing, and the modalities to leave out."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.recommender import Closed, MixedRecommender, Parts, Weights

Measured = TypeVar("Measured")
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0, 1000.0)
"""The grid of mixture weights; at its end, one part decides alone and the others only break ties."""
_SURE = 2.0
LINEAR_OF_NEW = 1.0
"""The default weight of linear vectors predicted for new items relative to fused ones, kept unless validation shows a significant gain."""
LIFTS = (-16.0, -8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


def weight_grids(parts: Parts, valid: EvaluationSet) -> dict[str, tuple[float, ...]]:
    """The grid of each weight that the validation part can determine.

    The weight for new users requires new users among the positives, and that of the linear part for new items requires new items; this is
    asked of all positives, so that it is equal in all processes. The offset of new items affects every ranking.
    """
    users, has_new = valid.positives.degree > 0, bool((valid.positives.item_degree[~parts.known_items] > 0).any())
    tried = {
        "linear": bool(parts.linear_items[parts.known_items].any()),
        "trend": bool(parts.trend.any() and (users & parts.known_users).any()),
        "trend_for_new": bool(parts.trend.any() and (users & ~parts.known_users).any()),
        "cold_lift": not bool(parts.known_items.all()),
        "linear_of_new": has_new and bool(parts.linear_items[~parts.known_items].any()),
    }
    return {name: LIFTS if name == "cold_lift" else SHARES for name, told in tried.items() if told}


def closable(model: MixedRecommender, valid: EvaluationSet) -> tuple[Closed, ...]:
    """The parts that may be left out, as far as the validation part can determine; none for new items if there are no new positives."""
    has_new = bool((valid.positives.item_degree[~model.known_items] > 0).any())
    return tuple(one for one in model.closable if has_new or not one.of_new)


def toggle(
    start: frozenset[Closed],
    closable: Sequence[Closed],
    measure: Callable[[frozenset[Closed]], Measured],
    is_better: Callable[[Measured, Measured], bool],
    measured: Measured,
) -> tuple[frozenset[Closed], Measured]:
    """Toggle each part between open and closed in turn, and keep the changes that are better than the state before.

    Args:
        start: the parts that are closed at first.
        closable: the parts to try, in order. At least one of those for known items, and one of those for new items, stays open.
        measure: evaluates a set of closed parts.
        is_better: whether the first of two measurements is better.
        measured: the measurement of `start`.

    Returns:
        The closed parts, and their measurement.
    """
    closed = start
    for one in closable:
        tried = closed ^ {one}
        if all(other in tried for other in closable if other.of_new == one.of_new):
            continue
        if is_better(found := measure(tried), measured):
            closed, measured = tried, found
    return closed, measured


class Judged(NamedTuple):
    """The validation results of one setting."""

    means: dict[str, float]
    value: float
    """The value of the selecting metric."""
    by_item: Float64[Tensor, " n_items"]
    """The contribution of each item to the value."""

    def is_surely_better(self, other: "Judged") -> bool:
        """Whether the value is higher by more than two standard errors over held-out items.

        The standard error of the sum over n items is `√n` times the standard deviation of the items' contributions. Items are the sampling
        unit because a few popular items, or few new items, may decide which setting is better.
        """
        difference = (self.by_item - other.by_item)[(self.by_item != 0) | (other.by_item != 0)]
        error = len(difference) ** 0.5 * difference.std() if len(difference) > 1 else 0.0
        return bool(difference.sum() > _SURE * error)


def describe_mixture(model: MixedRecommender) -> dict[str, Any]:
    """The weights of a model by name as JSON values, those at the end of their grid as `on_edge`, and the parts that are `closed`."""
    closed = sorted(str(one) for one in model.closed)
    return describe_weights(model.weights) | ({"closed": closed} if closed else {})


def describe_weights(weights: Weights) -> dict[str, Any]:
    """The weights by name as JSON values, and those at the end of their grid as `on_edge`."""
    values = {name: round(value, 6) for name, value in weights._asdict().items()}
    on_edge = [name for name, value in values.items() if value >= (LIFTS if name == "cold_lift" else SHARES)[-1]]
    return values | ({"on_edge": on_edge} if on_edge else {})


def climb(
    start: Weights, grids: dict[str, tuple[float, ...]], measure: Callable[[Weights], Measured], value: Callable[[Measured], float]
) -> tuple[Weights, Measured]:
    """Find the best weights from `start` by coordinate-wise hill climbing, and their measurement.

    For each weight in turn, neighbouring grid values are tried upwards, then downwards, as long as the value does not decrease, so that
    plateaus are crossed.
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
