"""The weights of a mixture: which are looked for, and that the way leads uphill to the best."""

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.recommender import Parts, Weights
from mmrec.tasks.mixing import LIFTS, SHARES, climb, weight_grids

N_USERS, N_ITEMS = 4, 5


def parts(linear: int = 2, trend: float = 1.0) -> Parts:
    """User 3 and item 4 are new."""
    known_users, known_items = torch.arange(N_USERS) < 3, torch.arange(N_ITEMS) < 4
    return Parts(
        torch.randn(N_USERS, 3), torch.randn(N_ITEMS, 3), torch.randn(N_USERS, linear), torch.randn(N_ITEMS, linear),
        trend * torch.randn(N_ITEMS), known_users, known_items, torch.ones(N_ITEMS, 1),
    )  # fmt: skip


def held_out(user: int, item: int) -> EvaluationSet:
    nothing = InteractionMatrix.from_pairs(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64), N_USERS, N_ITEMS)
    return EvaluationSet.build(nothing, InteractionMatrix.from_pairs(torch.tensor([user]), torch.tensor([item]), N_USERS, N_ITEMS))


@pytest.mark.parametrize(
    ("user", "item", "linear", "trend", "expected"),
    [
        (0, 0, 2, 1.0, {"linear", "trend"}),
        (3, 0, 2, 1.0, {"linear", "trend_for_new"}),
        (0, 4, 2, 1.0, {"linear", "trend", "cold_lift"}),
        (0, 0, 0, 0.0, set()),
    ],
)
def test_only_what_validation_can_tell_is_looked_for(user: int, item: int, linear: int, trend: float, expected: set[str]) -> None:
    assert weight_grids(parts(linear, trend), held_out(user, item)).keys() == expected


@pytest.mark.parametrize("start", [Weights(), Weights(linear=10.0, cold_lift=8.0), Weights(linear=0.42, cold_lift=1.1)])
def test_the_way_leads_to_the_top_of_a_hill(start: Weights) -> None:
    def measure(weights: Weights) -> float:
        return -((weights.linear - 0.7) ** 2) - (weights.cold_lift - 2.0) ** 2 - weights.trend

    best, value = climb(start, {"linear": SHARES, "cold_lift": LIFTS}, measure, value=lambda found: found)
    assert best == start._replace(linear=0.7, cold_lift=2.0) and value == measure(best) == 0


def test_nothing_moves_where_nothing_rises() -> None:
    assert climb(Weights(), {"trend": SHARES}, lambda _: 1.0, value=lambda found: found) == (Weights(), 1.0)


def test_a_plain_is_crossed() -> None:
    """New items are on no list until they are lifted far enough."""
    best, _ = climb(Weights(), {"cold_lift": LIFTS}, lambda weights: float(weights.cold_lift >= 4), value=lambda found: found)
    assert best.cold_lift == 4.0
