"""Baselines of a task that measures errors: the setting with the lowest is chosen, and what decides the choice is part of its name."""

from pathlib import Path

import torch

from mmrec.data.batches.batch_factory import SplitPart
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.tuning.choice_cache import tune_cached
from mmrec.experiment.tuning.held_out import TaskRows, direction
from mmrec.experiment.tuning.search import tune
from mmrec.experiment.tuning.space import Search
from mmrec.models.rating.mean_rating import MeanRating
from mmrec.tasks.rating import RatingTask
from mmrec.types import DatasetSpec, Interactions

# Item 0 is rated 5 by many, item 1 was rated 1 once, by chance: for validation both are 5.
TRAIN = Interactions(torch.arange(9), torch.tensor([0] * 8 + [1]), rating=torch.tensor([5.0] * 8 + [1.0]))
SPEC = DatasetSpec(12, 2, TRAIN)
SEARCH = Search({"damping": [0.0, 1.0, 100.0]}, n_trials=3, seed=0, capped=("damping",))


def rows(*ratings: float) -> TaskRows:
    held_out = Interactions(torch.tensor([9, 10, 11]), torch.tensor([1, 1, 0]), rating=torch.tensor(ratings))
    task = RatingTask(MeanRating())
    return TaskRows(task, task.evaluation_set((SplitPart(TRAIN, 12, 2),), SplitPart(held_out, 12, 2)))


def item_mean(damping: float) -> MeanRating:
    return MeanRating("item", damping)


def test_the_setting_with_the_lowest_error_is_chosen() -> None:
    best = tune(item_mean, SEARCH, SPEC, rows(5.0, 5.0, 5.0), "rmse")
    assert best.parameters == {"damping": 100.0} and best.cold_lift is None
    assert tune(item_mean, SEARCH, SPEC, rows(1.0, 1.0, 5.0), "rmse").parameters == {"damping": 0.0}


def test_the_direction_is_that_of_the_metric() -> None:
    assert direction(rows(1.0, 1.0, 5.0), "rmse") == -1
    nobody = SplitPart(Interactions(*torch.zeros(2, 0).long()), 1, 1).matrix
    assert direction(EvaluationSet.build(nobody, nobody), "ndcg@10") == 1


def test_a_choice_is_kept_for_the_same_ratings_alone(tmp_path: Path) -> None:
    given = {"make": item_mean, "settings": {}, "search": SEARCH, "metric": "rmse", "folder": tmp_path}
    assert tune_cached(**given, spec=SPEC, valid=rows(5.0, 5.0, 5.0))[1] is False
    assert tune_cached(**given, spec=SPEC, valid=rows(5.0, 5.0, 5.0))[1] is True
    assert tune_cached(**given, spec=SPEC, valid=rows(1.0, 1.0, 5.0))[1] is False
    other = DatasetSpec(12, 2, Interactions(TRAIN.user_idx, TRAIN.item_idx, rating=TRAIN.rating.clamp(max=4)))
    assert tune_cached(**given, spec=other, valid=rows(5.0, 5.0, 5.0))[1] is False
