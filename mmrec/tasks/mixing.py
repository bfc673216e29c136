"""Choosing on the validation part the weights of a mixture of scores, one at a time, uphill over a grid; and evidence to do without."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.recommender import Closed, MixedRecommender, Parts, Weights

Measured = TypeVar("Measured")
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0, 1000.0)
"""Up to where a part decides alone, and what else there is says no more than which of equals comes first."""
_SURE = 2.0
LINEAR_OF_NEW = 1.0
"""What the linear vectors predicted of new items count beside the fused ones, unless validation is sure of something better."""
LIFTS = (-16.0, -8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


def weight_grids(parts: Parts, valid: EvaluationSet) -> dict[str, tuple[float, ...]]:
    """The values to try of each weight that the validation part can tell something about.

    That of new users needs such users in it, and what the linear part counts for new items such items, in the parts of all processes alike:
    what is asked of `valid` is asked of all its positives, not of this process's users alone. Any list tells whether new items stand too
    high in it.
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
    """What the model may do without, as far as the validation part tells: of new items nothing where none is to be found."""
    has_new = bool((valid.positives.item_degree[~model.known_items] > 0).any())
    return tuple(one for one in model.closable if has_new or not one.of_new)


def toggle(
    start: frozenset[Closed],
    closable: Sequence[Closed],
    measure: Callable[[frozenset[Closed]], Measured],
    is_better: Callable[[Measured, Measured], bool],
    measured: Measured,
) -> tuple[frozenset[Closed], Measured]:
    """Opens what is closed and closes what is open, one after the other, and keeps each change that is better than what was before.

    `measured` is what was measured at `start`. Of the items of a kind one modality at least stays open.
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
    """What was measured of one setting."""

    means: dict[str, float]
    value: float
    """The mean that chooses."""
    by_item: Float64[Tensor, " n_items"]
    """What each item adds to it."""

    def is_surely_better(self, other: "Judged") -> bool:
        """Whether the value is higher by more than two standard errors, as if other items had been held out.

        Of the sum over n items it is `√n` times the deviation of what an item adds. A few popular items may decide which setting is
        better, and where new items are held out, they are few.
        """
        difference = (self.by_item - other.by_item)[(self.by_item != 0) | (other.by_item != 0)]
        error = len(difference) ** 0.5 * difference.std() if len(difference) > 1 else 0.0
        return bool(difference.sum() > _SURE * error)


def describe_mixture(model: MixedRecommender) -> dict[str, Any]:
    """The weights of a model by name, as plain values, those at the top of their grid as `on_edge`, and the evidence that is `closed`."""
    closed = sorted(str(one) for one in model.closed)
    return describe_weights(model.weights) | ({"closed": closed} if closed else {})


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
