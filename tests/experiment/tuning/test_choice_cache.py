"""mmrec.experiment.tuning.choice_cache: the second time nothing is searched, and whatever decides the choice is part of its name."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.tuning.choice_cache import tune_cached
from mmrec.experiment.tuning.space import Search
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec, Features, Interactions

USERS, ITEMS = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
FEATURES = {"text": Features(torch.ones(5, 2), torch.ones(5, dtype=torch.bool))}
SPEC = DatasetSpec(2, 5, Interactions(USERS, ITEMS, torch.tensor([1, 2, 3])), FEATURES)
TRAIN = InteractionMatrix.from_pairs(USERS, ITEMS, 2, 5)
SEARCH = Search({"item": [4, 3, 2]}, n_trials=3, seed=0, capped=("item",))
OTHER_FEATURES = {"text": Features(torch.zeros(5, 2), torch.ones(5, dtype=torch.bool))}


class Favourite(ClosedFormRecommender):
    """Puts one item first and the others by index; counts how often it is fitted."""

    fitted: list[int]

    def __init__(self, item: int) -> None:
        super().__init__()
        if not 0 <= item < 5:
            raise ValueError(f"item: expected one of 5, found {item}")
        self.item = item

    def fit(self, spec: DatasetSpec) -> Self:
        self.fitted.append(self.item)
        return self

    def score_users(self, user_idx: Tensor) -> Tensor:
        scores = -torch.arange(5.0)
        scores[self.item] = 1.0
        return scores.repeat(len(user_idx), 1)

    def score_histories(self, histories: Histories) -> Tensor:
        return self.score_users(torch.arange(len(histories)))


def valid(item: int) -> EvaluationSet:
    return EvaluationSet.build(TRAIN, InteractionMatrix.from_pairs(torch.tensor([0, 1]), torch.tensor([item, item]), 2, 5))


def tuned(folder: Path, **changes: Any) -> tuple[int, list[int], bool]:
    """The item chosen, the items fitted on the way, and whether it was tuned before."""
    given = {"settings": {"_target_": "Favourite"}, "search": SEARCH, "spec": SPEC, "valid": valid(3), "metric": "ndcg@2"} | changes
    Favourite.fitted = []
    best, before = tune_cached(Favourite, **given, folder=folder / "baselines")
    assert best.n_trials == 3 and best.scorer.item == best.parameters["item"]
    return best.parameters["item"], Favourite.fitted, before


def test_the_second_time_only_the_choice_is_fitted(tmp_path: Path) -> None:
    assert tuned(tmp_path) == (3, [4, 3, 2], False)
    assert tuned(tmp_path) == (3, [3], True)
    assert len(list((tmp_path / "baselines").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"_target_": "Favourite", "more": 1}},
        {"search": SEARCH._replace(space={"item": [4, 2, 3]})},
        {"search": SEARCH._replace(n_trials=4)},
        {"search": SEARCH._replace(seed=1)},
        {"metric": "recall@1"},
        {"valid": valid(2)},
        {"spec": replace(SPEC, train=Interactions(USERS, ITEMS))},
        {"spec": replace(SPEC, train=Interactions(USERS, ITEMS.flip(0), SPEC.train.timestamp))},
    ],
)
def test_whatever_decides_is_searched_anew(change: dict[str, Any], tmp_path: Path) -> None:
    tuned(tmp_path)
    _, fitted, before = tuned(tmp_path, **change)
    assert len(fitted) == 3 and not before


def test_features_count_for_a_baseline_that_names_them(tmp_path: Path) -> None:
    other = replace(SPEC, features=OTHER_FEATURES)
    tuned(tmp_path)
    assert tuned(tmp_path, spec=other)[2]
    reads_text = {"_target_": "Favourite", "modality": "text"}
    tuned(tmp_path, settings=reads_text)
    assert tuned(tmp_path, settings=reads_text)[2]
    assert not tuned(tmp_path, settings=reads_text, spec=other)[2]
