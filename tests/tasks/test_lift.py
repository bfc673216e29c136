"""mmrec.tasks.lift: the grid is widened where its top is best; a model that learns by gradient takes the lift that validation chose."""

from collections.abc import Collection

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr
from mmrec.models.recommender import FrozenScorer, GradientRecommender, LiftedScorer, TrainScores
from mmrec.tasks.lift import climb_lift, describe_lift, holds_new_items
from mmrec.tasks.ranking import RankingTask
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_OLD, N_NEW = 20, 30, 6
N_ITEMS = N_OLD + N_NEW
GENERATOR = torch.Generator().manual_seed(0)
USERS, ITEMS = torch.randn(N_USERS, 4, generator=GENERATOR), torch.randn(N_ITEMS, 4, generator=GENERATOR)
TRAIN = Interactions(torch.arange(N_USERS).repeat_interleave(N_OLD), torch.arange(N_OLD).repeat(N_USERS))
IS_NEW = torch.arange(N_ITEMS) >= N_OLD


class Content(GradientRecommender):
    """Fixed vectors of users and items."""

    ranks_new_items = True

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise NotImplementedError

    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        return self.freeze_vectors(USERS, ITEMS)


def held_out(items: torch.Tensor) -> EvaluationSet:
    """Every user is to get one of the items, and has had nothing, so that old items stand in the way."""
    nothing = InteractionMatrix.from_pairs(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), N_USERS, N_ITEMS)
    users = torch.arange(N_USERS)
    return EvaluationSet.build(nothing, InteractionMatrix.from_pairs(users, items[users % len(items)], N_USERS, N_ITEMS))


def task() -> RankingTask:
    return RankingTask(Content(DatasetSpec(N_USERS, N_ITEMS, TRAIN)), bpr, torch.optim.SGD, embedding_lr=0.1, ks=[5])


def test_the_grid_is_widened_where_its_top_is_best() -> None:
    assert climb_lift(0.0, lambda lift: min(lift, 1500.0), lambda value: value) == (2048.0, 1500.0)
    assert climb_lift(2.0, lambda lift: -abs(lift), lambda value: value) == (0.0, 0.0)
    assert climb_lift(0.0, lambda lift: -lift, lambda value: value) == (-16.0, 16.0)  # new items that stand in the way of others
    assert describe_lift(2048.0) == {"cold_lift": 2048.0}
    assert describe_lift(climb_lift(0.0, float, float)[0]) == {"cold_lift": 4096.0, "on_edge": ["cold_lift"]}


def test_validation_chooses_the_lift_and_the_model_takes_it_when_it_is_complete() -> None:
    ranking = task()
    model, valid = ranking.model, held_out(torch.arange(N_OLD, N_ITEMS))
    assert isinstance(model, Content) and holds_new_items(valid, IS_NEW)
    before = ranking.validate(held_out(torch.arange(N_OLD)))
    assert before.adopt is None and not holds_new_items(held_out(torch.arange(N_OLD)), IS_NEW)
    found = ranking.validate(valid)
    assert float(model.cold_lift) == 0 and found.adopt is not None
    found.adopt()
    assert float(model.cold_lift) > 0 and found.means["recall@5"] > 0.7
    assert ranking.validate(valid).means["ndcg@5"] >= found.means["ndcg@5"]  # from where it is, not from 0
    assert model.state_dict()["cold_lift"] == model.cold_lift


def test_the_lift_of_vectors_is_that_of_any_scores() -> None:
    model = Content(DatasetSpec(N_USERS, N_ITEMS, TRAIN))
    expected = LiftedScorer(model.freeze(), IS_NEW, 2.0).score_users(torch.arange(N_USERS))
    model.lift_new_items(2.0)
    ratio = ((N_ITEMS - 1) / N_ITEMS) ** 0.5  # of the deviations of a sample and of a population
    torch.testing.assert_close(model.freeze().score_users(torch.arange(N_USERS)) - 2.0 * IS_NEW, (expected - 2.0 * IS_NEW) * ratio)
    torch.testing.assert_close(model.freeze_unlifted().score_users(torch.arange(N_USERS)), USERS @ ITEMS.T)
    assert float(model.cold_lift) == 2.0


def test_a_checkpoint_without_a_lift_is_read_as_one_of_zero() -> None:
    model = Content(DatasetSpec(N_USERS, N_ITEMS, TRAIN))
    model.lift_new_items(2.0)
    model.load_state_dict({})
    assert float(model.cold_lift) == pytest.approx(0.0)
