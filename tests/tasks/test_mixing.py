"""The weights of a mixture: which are looked for, and that the way leads uphill to the best."""

import operator

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.recommender import Closed, Parts, Weights
from mmrec.tasks.mixing import LIFTS, SHARES, Judged, climb, toggle, weight_grids

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
        (0, 0, 2, 1.0, {"linear", "trend", "cold_lift"}),
        (3, 0, 2, 1.0, {"linear", "trend_for_new", "cold_lift"}),
        (0, 4, 2, 1.0, {"linear", "trend", "cold_lift", "linear_of_new"}),
        (0, 0, 0, 0.0, {"cold_lift"}),
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


TEXT, IMAGE, NEW = Closed("text", False), Closed("image", False), Closed("text", True)


@pytest.mark.parametrize(
    ("start", "harmful", "left"), [([], [IMAGE], [IMAGE]), ([TEXT], [IMAGE], [IMAGE]), ([IMAGE], [], []), ([], [NEW], [])]
)
def test_evidence_is_closed_where_it_does_harm_and_opened_where_not(start: list[Closed], harmful: list[Closed], left: list[Closed]) -> None:
    """The only evidence of new items stays."""

    def measure(closed: frozenset[Closed]) -> float:
        return sum(1.0 if one in harmful else -1.0 for one in closed)

    begin = frozenset(start)
    closed, value = toggle(begin, [TEXT, IMAGE, NEW], measure, operator.gt, measure(begin))
    assert closed == frozenset(left) and value == measure(closed)


def test_what_makes_no_difference_stays_as_it_is() -> None:
    assert toggle(frozenset(), [TEXT, IMAGE], lambda _: 1.0, operator.gt, 1.0) == (frozenset(), 1.0)


@pytest.mark.parametrize(
    ("gains", "is_sure"), [([0.1] * 9, True), ([0.9] + [0.0] * 8, False), ([0.3, -0.05] * 5, True), ([0.11, -0.1] * 5, False)]
)
def test_a_difference_that_few_items_make_is_not_sure(gains: list[float], is_sure: bool) -> None:
    """Of one item in nine that gains 0.9, the standard error is 0.9, too; twice that is asked for."""
    before = torch.ones(len(gains), dtype=torch.float64)
    one, other = (Judged({}, 0.0, by_item) for by_item in (before + torch.tensor(gains, dtype=torch.float64), before))
    assert one.is_surely_better(other) is is_sure
    assert not one.is_surely_better(one) and not other.is_surely_better(one)
