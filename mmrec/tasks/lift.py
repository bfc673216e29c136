"""Choose the score offset of new items on the validation part, by the same hill climbing for trained models and baselines."""

from collections.abc import Callable
from typing import Any, TypeVar

from jaxtyping import Bool
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.recommender import Weights
from mmrec.tasks.mixing import LIFTS, climb

Measured = TypeVar("Measured")
_WIDEST = 2.0**12


def holds_new_items(valid: EvaluationSet, is_new: Bool[Tensor, " n_items"]) -> bool:
    """Whether any new item is a positive in the validation part; equal in all processes."""
    return bool((valid.positives.item_degree[is_new] > 0).any())


def climb_lift(start: float, measure: Callable[[float], Measured], value: Callable[[Measured], float]) -> tuple[float, Measured]:
    """The best offset found by hill climbing from `start`, with its measurement; the grid is extended while its maximum is chosen."""
    grid: tuple[float, ...] = LIFTS

    def measure_at(weights: Weights) -> Measured:
        return measure(weights.cold_lift)

    best, measured = climb(Weights(cold_lift=start), {"cold_lift": grid}, measure_at, value)
    while best.cold_lift == grid[-1] < _WIDEST:
        grid = (*grid, 2 * grid[-1])
        best, measured = climb(best, {"cold_lift": grid[-2:]}, measure_at, value)
    return best.cold_lift, measured


def describe_lift(cold_lift: float) -> dict[str, Any]:
    """The offset by name as a JSON value, with `on_edge` if it is the largest one tried."""
    return {"cold_lift": cold_lift} | ({"on_edge": ["cold_lift"]} if cold_lift >= _WIDEST else {})
