"""mmrec.experiment.tuning.lift: chosen on validation where new items are held out, at unit deviation, kept with the model."""

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.tuning.lift import choose_lift, holds_out_new_items, with_lift
from mmrec.models.closed_form.content_knn import ContentKNN
from mmrec.models.closed_form.ease import EASE
from mmrec.models.recommender import LiftedScorer
from mmrec.types import DatasetSpec, Features, Interactions

N_USERS, N_OLD, N_NEW = 40, 60, 10
N_ITEMS = N_OLD + N_NEW
N = 50_000
GENERATOR = torch.Generator().manual_seed(0)
TRAIN = torch.rand(N_USERS, N_ITEMS, generator=GENERATOR) < 0.2
TRAIN[:, N_OLD:] = False
VALUES = torch.randn(N_ITEMS, 8, generator=GENERATOR)
SPEC = DatasetSpec(
    N_USERS, N_ITEMS, Interactions(*TRAIN.nonzero().unbind(1)), {"text": Features(VALUES, torch.ones(N_ITEMS, dtype=torch.bool))}
)


def valid_of(held_out: Tensor) -> EvaluationSet:
    train, positives = (InteractionMatrix.from_pairs(*part.nonzero().unbind(1), N_USERS, N_ITEMS) for part in (TRAIN, held_out))
    return EvaluationSet.build(train, positives)


NEW = torch.zeros_like(TRAIN)
NEW[torch.arange(N_USERS), N_OLD + torch.arange(N_USERS) % N_NEW] = True
OLD = torch.rand(N_USERS, N_ITEMS, generator=GENERATOR) < 0.1
OLD[:, N_OLD:] = False


def test_old_items_are_moved_out_of_the_way_of_new_ones() -> None:
    model, valid = ContentKNN().fit(SPEC), valid_of(NEW)
    without, lift = choose_lift(EASE().fit(SPEC), SPEC, valid, "ndcg@5"), choose_lift(model, SPEC, valid, "ndcg@5")
    assert without.cold_lift is None and without.value == 0  # EASE says nothing of new items
    assert lift.cold_lift is not None and lift.cold_lift > 0 and lift.value > 0
    top = with_lift(model, SPEC, lift.cold_lift).score_users(torch.arange(N_USERS)).topk(5).indices
    assert (top >= N_OLD).float().mean() > 0.8


def test_where_no_new_item_is_held_out_there_is_nothing_to_choose() -> None:
    valid = valid_of(OLD & ~TRAIN)
    assert choose_lift(ContentKNN().fit(SPEC), SPEC, valid, "ndcg@5").cold_lift is None
    assert not holds_out_new_items(SPEC, valid) and holds_out_new_items(SPEC, valid_of(NEW))


def test_where_the_top_of_the_grid_is_best_it_is_widened() -> None:
    """Of 50,000 items four stand √(50,000 / 4) = 112 deviations above the new one for user 0, and one 224 for user 1."""

    class Far(ContentKNN):
        def score_users(self, user_idx: Tensor) -> Tensor:
            scores = torch.zeros(2, N)
            scores[0, :4], scores[1, 0] = 1.0, 1.0
            return scores[user_idx]

    old, new = torch.arange(N - 1), torch.full((2,), N - 1)
    spec = DatasetSpec(3, N, Interactions(torch.full_like(old, 2), old))
    seen, held_out = (InteractionMatrix.from_pairs(*pairs, 3, N) for pairs in ((spec.train.user_idx, old), (torch.arange(2), new)))
    assert choose_lift(Far(), spec, EvaluationSet.build(seen, held_out), "ndcg@1") == (1.0, 256.0)


def test_scores_are_put_on_one_scale_first() -> None:
    is_new = torch.arange(N_ITEMS) >= N_OLD
    model = ContentKNN().fit(SPEC)
    scores = model.score_users(torch.arange(3))
    expected = scores / scores.std(dim=1, correction=0, keepdim=True) + 2.0 * is_new
    torch.testing.assert_close(LiftedScorer(model, is_new, 2.0).score_users(torch.arange(3)), expected)


def test_the_lift_comes_back_with_the_state_dict() -> None:
    model = ContentKNN().fit(SPEC)
    lifted = with_lift(model, SPEC, 4.0).score_users(torch.arange(3))
    fresh = ContentKNN()
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(fresh.freeze().score_users(torch.arange(3)), lifted, atol=0, rtol=0)
    assert not torch.equal(lifted, model.score_users(torch.arange(3))) and float(fresh.cold_lift) == pytest.approx(4.0)
