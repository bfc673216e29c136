"""Histories with ages: weights by a kernel, sessions, the time of the request, and the positive that is left out."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmrec.data.batches.train_batches import TrainBatch, TrainBatches
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.sessions import DAY_S
from mmrec.models.multimodal.users.decayed_history import DecayedHistory
from mmrec.models.multimodal.users.user_history import EqualHistory
from mmrec.models.time.interest_decay import Decay
from mmrec.types import DatasetSpec, Interactions

DAYS = torch.tensor([0, 10, 30, 30, 5, 25])
TRAIN = Interactions(torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([3, 1, 0, 2, 1, 4]), DAYS * DAY_S)
SPEC = DatasetSpec(3, 5, TRAIN)  # user 2 has nothing
ITEMS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def decay(half_life: float, kernel: str = "exponential", long_short: bool = False) -> Decay:
    return Decay(kernel, 6.0, long_short, torch.full((3,), half_life, dtype=torch.float64), None, half_life)


def batch(noise: float = 0.9) -> TrainBatch:
    found = next(iter(TrainBatches(InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, 3, 5), 8, 5, True, 0)))
    return found._replace(noise=torch.full_like(found.noise, noise))


def test_the_weight_of_an_item_halves_with_every_half_life() -> None:
    history = DecayedHistory(SPEC, decay(10.0))
    wanted = ITEMS[3] / 8 + ITEMS[1] / 4 + ITEMS[0] + ITEMS[2]
    torch.testing.assert_close(history.users(ITEMS)[0], F.normalize(wanted, dim=0))
    assert not history.users(ITEMS)[2].any()


def test_very_old_histories_are_not_lost() -> None:
    history = DecayedHistory(SPEC, decay(0.05))
    history.at_s = 10_000 * DAY_S
    torch.testing.assert_close(history.users(ITEMS)[1], F.normalize(ITEMS[4], dim=0))


def test_without_decay_all_is_as_before() -> None:
    history, equal = DecayedHistory(SPEC, decay(math.inf)), EqualHistory(SPEC)
    torch.testing.assert_close(history.users(ITEMS), equal.users(ITEMS))
    for one, other in zip(
        history.score(ITEMS, torch.zeros(5), batch(), 0.5), equal.score(ITEMS, torch.zeros(5), batch(), 0.5), strict=True
    ):
        assert (one is other is None) or torch.equal(one, other)


def test_a_request_in_the_past_knows_nothing_of_the_future() -> None:
    history = DecayedHistory(SPEC, decay(10.0, "power"))
    history.at_s = 12 * DAY_S
    old, new = (1 + 3 * 1.2) ** -0.5, (1 + 3 * 0.2) ** -0.5
    torch.testing.assert_close(history.users(ITEMS)[0], F.normalize(old * ITEMS[3] + new * ITEMS[1], dim=0))
    assert history.owned().degree.tolist() == [2, 1, 0]
    history.at_s = history.end_s
    assert history.owned() is None


def test_a_history_is_represented_as_the_equal_user() -> None:
    given = Histories.from_events(TRAIN, 3)
    for one in (decay(10.0), decay(10.0, "mixture", long_short=True)):
        history = DecayedHistory(SPEC, one)
        torch.testing.assert_close(history.of(given, ITEMS), history.users(ITEMS))
    untimed = Histories(given.indptr, given.item_idx)
    torch.testing.assert_close(DecayedHistory(SPEC, decay(10.0)).of(untimed, ITEMS), EqualHistory(SPEC).users(ITEMS))


def test_a_positive_is_scored_by_the_other_items_as_seen_from_its_session() -> None:
    history, given = DecayedHistory(SPEC, decay(10.0)), batch()
    scores = history.score(ITEMS, torch.zeros(5), given, 0.0)
    at = int(((given.user_idx[given.row] == 0) & (given.item_idx == 1)).nonzero())
    others = ITEMS[3] / 2 + (ITEMS[0] + ITEMS[2]) / 4  # 10 days before, 20 days after
    wanted = F.cosine_similarity(others, ITEMS[1], dim=0)
    torch.testing.assert_close(scores.positive[at], wanted)
    together = int(((given.user_idx[given.row] == 0) & (given.item_idx == 2)).nonzero())
    others = ITEMS[0] + ITEMS[1] / 4 + ITEMS[3] / 8
    torch.testing.assert_close(scores.positive[together], F.cosine_similarity(others, ITEMS[2], dim=0))


def test_negatives_are_scored_once_for_each_session() -> None:
    given = batch()
    scores = DecayedHistory(SPEC, decay(10.0)).score(ITEMS, torch.zeros(5), given, 0.0)
    assert len(scores.negative) == 5  # three sessions of user 0, two of user 1
    assert torch.equal(scores.user[scores.row], given.row)
    of_first = int(scores.row[((given.user_idx[given.row] == 0) & (given.item_idx == 3)).nonzero()])
    wanted = F.normalize(ITEMS[1] / 2 + (ITEMS[0] + ITEMS[2]) / 8, dim=0) @ F.normalize(ITEMS, dim=1).T
    torch.testing.assert_close(scores.negative[of_first], wanted[given.negatives])


def test_half_lives_may_depend_on_the_item() -> None:
    of_items = torch.tensor([10.0, 20.0, 10.0, 30.0, 10.0], dtype=torch.float64)
    history = DecayedHistory(SPEC, decay(10.0)._replace(of_items=of_items))
    wanted = ITEMS[3] / 2 + ITEMS[1] / 2 + ITEMS[0] + ITEMS[2]
    torch.testing.assert_close(history.users(ITEMS)[0], F.normalize(wanted, dim=0))


def test_the_gate_is_learned() -> None:
    history = DecayedHistory(SPEC, decay(10.0, long_short=True))
    scores = history.score(ITEMS, torch.zeros(5), batch(), 0.0)
    (scores.positive.sum() - scores.negative.sum()).backward()
    assert history.gate.level.grad != 0
    assert set(history.state_dict()) == {"gate.level", "gate.slope"}


def test_times_are_needed() -> None:
    with pytest.raises(ValueError, match="timestamps"):
        DecayedHistory(DatasetSpec(3, 5, Interactions(TRAIN.user_idx, TRAIN.item_idx)), decay(1.0))


@pytest.mark.parametrize("of_items", [False, True])
def test_items_are_added_to_the_catalogue(of_items: bool) -> None:
    """As if the data had had these items, without interactions."""
    found = decay(10.0, "power", long_short=True)
    found = found._replace(of_items=torch.tensor([5.0, 9.0, 2.0, 7.0, 3.0], dtype=torch.float64)) if of_items else found
    history = DecayedHistory(SPEC, found)
    more, wanted = history.extended(7), DecayedHistory(DatasetSpec(3, 7, TRAIN), found.extended(7))
    wanted.load_state_dict(history.state_dict())
    items = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    given = Histories(torch.tensor([0, 3]), torch.tensor([1, 6, 5]), torch.tensor([0, 10, 20]) * DAY_S)
    torch.testing.assert_close(more.users(items), wanted.users(items))
    torch.testing.assert_close(more.of(given, items), wanted.of(given, items))
    assert history.users(ITEMS).isfinite().all() and history.n_items == 5
    equal = EqualHistory(SPEC).extended(7)
    torch.testing.assert_close(equal.users(items), EqualHistory(DatasetSpec(3, 7, TRAIN)).users(items))
