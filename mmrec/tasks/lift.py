"""How much higher new items score: chosen on the validation part, by one climb for trained models and for baselines alike."""

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
    """Whether any of the new items is a positive of anybody, in the parts of all processes alike."""
    return bool((valid.positives.item_degree[is_new] > 0).any())


def climb_lift(start: float, measure: Callable[[float], Measured], value: Callable[[Measured], float]) -> tuple[float, Measured]:
    """The best lift found from `start`, and what was measured there; where the top of the grid is chosen, the grid is widened."""
    grid: tuple[float, ...] = LIFTS

    def measure_at(weights: Weights) -> Measured:
        return measure(weights.cold_lift)

    best, measured = climb(Weights(cold_lift=start), {"cold_lift": grid}, measure_at, value)
    while best.cold_lift == grid[-1] < _WIDEST:
        grid = (*grid, 2 * grid[-1])
        best, measured = climb(best, {"cold_lift": grid[-2:]}, measure_at, value)
    return best.cold_lift, measured


def describe_lift(cold_lift: float) -> dict[str, Any]:
    """The lift by its name, a plain value, and whether it is at the end of all that is tried as `on_edge`."""
    return {"cold_lift": cold_lift} | ({"on_edge": ["cold_lift"]} if cold_lift >= _WIDEST else {})
