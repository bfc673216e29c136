"""Search: small spaces are tried whole, large ones within the budget, fitted on train and chosen by validation alone."""

import inspect
import math
from typing import Any, Self

import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.tuning.search import tune
from mmrec.experiment.tuning.space import Search, search_problems
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.closed_form.item_knn import ItemKNN
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec, Interactions

TRAIN = InteractionMatrix.from_pairs(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2, 5)
SPEC = DatasetSpec(2, 5, Interactions(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])))
VALID = EvaluationSet.build(TRAIN, InteractionMatrix.from_pairs(torch.tensor([0, 1]), torch.tensor([3, 3]), 2, 5))


class Favourite(ClosedFormRecommender):
    """Puts one item first and the others by index; keeps what it was fitted on."""

    made: list[dict[str, Any]]

    def __init__(self, item: int, unused: str) -> None:
        super().__init__()
        if not 0 <= item < 5:
            raise ValueError(f"item: expected one of 5, found {item}")
        self.made.append({"item": item, "unused": unused})
        self.item = item

    def fit(self, spec: DatasetSpec) -> Self:
        self.fitted_on = spec
        return self

    def score_users(self, user_idx: Tensor) -> Tensor:
        scores = -torch.arange(5.0)
        scores[self.item] = 1.0
        return scores.repeat(len(user_idx), 1)

    def score_histories(self, histories: Histories) -> Tensor:
        return self.score_users(torch.arange(len(histories)))


def exhaustively(space: dict[str, list[Any]]) -> Search:
    return Search(space, n_trials=6, seed=0)


def test_the_best_on_validation_is_chosen_and_was_fitted_on_train() -> None:
    Favourite.made = []
    best = tune(Favourite, exhaustively({"item": [4, 3, 2], "unused": ["a", "b"]}), SPEC, VALID, "ndcg@2")
    assert best.parameters == {"item": 3, "unused": "a"}  # the first of two equals
    assert best.n_trials == 6
    assert best.value == 1.0
    assert best.scorer.item == 3
    assert best.scorer.fitted_on is SPEC
    assert Favourite.made == [{"item": item, "unused": unused} for item in (4, 3, 2) for unused in ("a", "b")]


def test_the_named_metric_at_the_named_cutoff_decides() -> None:
    """At 1 only item 3 first finds anything. At 4 both lists find it, and the first is taken."""
    Favourite.made = []
    space = exhaustively({"item": [2, 3], "unused": ["a"]})
    assert tune(Favourite, space, SPEC, VALID, "recall@4").parameters["item"] == 2
    assert tune(Favourite, space, SPEC, VALID, "recall@1").parameters["item"] == 3


def test_without_a_space_there_is_one_point() -> None:
    best = tune(Popularity, Search({}, 1, 0), SPEC, VALID, "hit_rate@2")
    assert best.parameters == {}
    assert best.value == rank_and_evaluate(Popularity().fit(SPEC), VALID, [2])["hit_rate@2"].mean()


def test_equal_to_trying_by_hand() -> None:
    """On random data, where the points of the space differ; fitting anything but the training part would show."""
    kind = torch.rand(40, 12, generator=torch.Generator().manual_seed(1))
    train, held_out = (InteractionMatrix.from_pairs(*part.nonzero().unbind(1), 40, 12) for part in (kind < 0.3, kind > 0.85))
    valid = EvaluationSet.build(train, held_out)
    spec = DatasetSpec(40, 12, Interactions(*(kind < 0.3).nonzero().unbind(1)))
    space = exhaustively({"n_neighbors": [1, 4, 12], "shrinkage": [0.0, 20.0]})
    tried = {(n, s): rank_and_evaluate(ItemKNN(n, s).fit(spec), valid, [3])["ndcg@3"].mean() for n in (1, 4, 12) for s in (0.0, 20.0)}
    assert len(set(tried.values())) > 1
    best = tune(ItemKNN, space, spec, valid, "ndcg@3")
    assert best.value == max(tried.values()) == tried[best.parameters["n_neighbors"], best.parameters["shrinkage"]]


def test_without_validation_users_the_first_point_is_taken() -> None:
    Favourite.made = []
    nobody = EvaluationSet.build(TRAIN, InteractionMatrix.from_pairs(*torch.empty(2, 0, dtype=torch.int64), 2, 5))
    best = tune(Favourite, exhaustively({"item": [4, 3], "unused": ["a"]}), SPEC, nobody, "ndcg@2")
    assert (best.parameters["item"], best.value) == (4, 0.0)


def test_an_int_range_within_the_budget_is_tried_whole() -> None:
    Favourite.made = []
    best = tune(Favourite, Search({"item": [0, 4, "int"], "unused": ["a"]}, 5, seed=0), SPEC, VALID, "ndcg@2")
    assert [made["item"] for made in Favourite.made] == [0, 1, 2, 3, 4] and best.n_trials == 5


def test_a_large_space_is_searched_within_the_budget_and_no_setting_twice() -> None:
    Favourite.made = []
    best = tune(Favourite, Search({"item": [0, 4, "int"], "unused": [1.0, 2.0, "linear"]}, 20, seed=0), SPEC, VALID, "ndcg@2")
    assert best.parameters["item"] == 3 and best.n_trials == len(Favourite.made) == 20
    assert all(1.0 <= made["unused"] <= 2.0 and made["item"] in range(5) for made in Favourite.made)
    Favourite.made = []
    few = tune(Favourite, Search({"item": [0, 4, "int"], "unused": ["a", "b"]}, 9, seed=0), SPEC, VALID, "ndcg@2")
    settings = [tuple(made.values()) for made in Favourite.made]
    assert len(set(settings)) == len(settings) == few.n_trials == 9


@pytest.mark.parametrize("unused", [["a", "b", "c"], [1.0, 2.0, "linear"]])
def test_a_baseline_that_puts_new_items_last_is_fitted_once_where_all_held_out_items_are_new(unused: list) -> None:
    """Item 4 is as new as the held-out item 3: who puts it first may find that one too, at another setting."""
    Favourite.made = []
    popularity = tune(lambda **_: Popularity(), Search({"unused": unused}, 5, seed=0), SPEC, VALID, "ndcg@1")
    assert (popularity.n_trials, popularity.value) == (1, 0.0)
    assert tune(Favourite, Search({"item": [4, 3], "unused": ["a"]}, 5, seed=0), SPEC, VALID, "ndcg@1").parameters["item"] == 3
    warm = EvaluationSet.build(TRAIN, InteractionMatrix.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 5))
    assert tune(lambda **_: Popularity(), Search({"unused": unused}, 3, seed=0), SPEC, warm, "ndcg@1").n_trials == 3


def test_the_same_seed_tries_the_same_settings() -> None:
    tried = []
    for seed in (1, 1, 2):
        Favourite.made = []
        tune(Favourite, Search({"item": [0, 1], "unused": [0.01, 10.0, "log"]}, 5, seed), SPEC, VALID, "ndcg@2")
        tried.append(Favourite.made)
    assert tried[0] == tried[1] != tried[2]


def test_what_tunes_is_handed_no_test_row() -> None:
    """By its signature: the training spec, one evaluation set, and nothing else that could hold interactions."""
    assert list(inspect.signature(tune).parameters) == ["make", "search", "spec", "valid", "metric"]
    of_items = {"features", "graph", "words", "item_inputs", "item_table", "user_table"}
    of_training = {"train", "queries", "user_texts", "tasks"}  # made of the training part, see the tests of each
    assert set(DatasetSpec.__dataclass_fields__) == {"n_users", "n_items"} | of_items | of_training


def test_the_lowest_is_chosen_where_lower_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.metrics.direction.LOWER_IS_BETTER", frozenset({"ndcg"}))
    for space in ({"item": [4, 3, 2], "unused": ["a"]}, {"item": [0, 4, "int"], "unused": ["a"]}):
        Favourite.made = []
        best = tune(Favourite, Search(space, n_trials=4, seed=0), SPEC, VALID, "ndcg@2")
        assert (best.parameters["item"] != 3, best.value) == (True, 0.0)


class Peak(Popularity):
    """Is measured as better the nearer `width` is to 100, and refuses 1000 or more."""

    def __init__(self, width: float, unused: str = "") -> None:
        if width >= 1000:
            raise ValueError(f"width: expected less than 1000, found {width}")
        super().__init__()
        self.width = width


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The widths of the models that were measured, in order; the best is at `PEAK`."""
    found: list[float] = []

    def measure(scorer: Peak, valid: EvaluationSet, ks: list[int]) -> pl.DataFrame:
        found.append(scorer.width)
        return pl.DataFrame({RANKED: [1 / (1 + abs(math.log(scorer.width / PEAK)))]})

    monkeypatch.setattr("mmrec.experiment.tuning.lift.rank_and_evaluate", measure)
    return found


WARM = EvaluationSet.build(TRAIN, InteractionMatrix.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 5))
RANKED, PEAK = "ndcg@5", 100.0


@pytest.mark.parametrize("space", [[1.0, 3.0, 9.0], [1.0, 30.0, "log"], [3, 9]])
def test_an_edge_is_widened_until_it_is_no_edge(space: list[Any], widths: list[float]) -> None:
    best = tune(Peak, Search({"width": space}, 12, seed=0), SPEC, WARM, RANKED)
    assert best.edges == () and best.parameters["width"] > 9 and max(widths) > best.parameters["width"]
    assert len(set(widths)) == len(widths) == best.n_trials <= 18


def test_the_budget_of_widening_is_half_of_the_trials_and_what_ends_on_an_edge_is_told(widths: list[float]) -> None:
    best = tune(Peak, Search({"width": [1.0, 1.1, 1.21, 1.331]}, 4, seed=0), SPEC, WARM, RANKED)
    assert (best.n_trials, best.edges) == (6, ("width",))


def test_what_is_capped_is_not_widened_and_told(widths: list[float]) -> None:
    best = tune(Peak, Search({"width": [1.0, 3.0, 9.0]}, 12, seed=0, capped=("width",)), SPEC, WARM, RANKED)
    assert (best.n_trials, best.parameters, best.edges) == (3, {"width": 9.0}, ("width",))


def test_a_bound_of_the_constructor_is_no_edge(widths: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PEAK", 10_000.0)
    best = tune(Peak, Search({"width": [1.0, 30.0, 900.0], "unused": ["a"]}, 12, seed=0), SPEC, WARM, RANKED)
    assert (best.n_trials, best.parameters["width"], best.edges) == (3, 900.0, ())


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_all_settings_share_is_prepared_once_and_a_part_only_chooses(is_whole: bool) -> None:
    prepared = []

    class Shared(Favourite):
        def prepare(self, spec: DatasetSpec) -> str:
            prepared.append(spec)
            return "shared"

        def fit_prepared(self, spec: DatasetSpec, shared: str) -> Self:
            assert shared == "shared"
            return self.fit(spec)

        def is_whole(self, shared: str) -> bool:
            return is_whole

    Favourite.made = []
    best = tune(Shared, exhaustively({"item": [4, 3, 2], "unused": ["a"]}), SPEC, VALID, "ndcg@2")
    assert best.parameters["item"] == 3 and best.n_trials == 3 and len(prepared) == 1 and prepared[0] is SPEC
    assert [made["item"] for made in Favourite.made] == [4, 3, 2] + ([] if is_whole else [3])


def test_of_many_users_some_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 users 10, evenly spread, so that all scores of a large catalogue are made for the final measure alone."""
    monkeypatch.setattr("mmrec.experiment.tuning.search._MAX_SCORES", 50)
    monkeypatch.setattr("mmrec.experiment.tuning.search._LEAST_USERS", 1)
    asked: list[int] = []

    class Listening(Favourite):
        def score_users(self, user_idx: Tensor) -> Tensor:
            asked.extend(user_idx.tolist())
            return super().score_users(user_idx)

    Favourite.made = []
    users = torch.arange(40)
    none = InteractionMatrix.from_pairs(*torch.empty(2, 0, dtype=torch.int64), 40, 5)
    valid = EvaluationSet.build(none, InteractionMatrix.from_pairs(users, users % 5, 40, 5))
    tune(Listening, exhaustively({"item": [3], "unused": ["a"]}), DatasetSpec(40, 5, Interactions(users, users % 5)), valid, "ndcg@2")
    assert asked == list(range(0, 40, 4))


def test_settings_that_are_to_be_tried_first_are() -> None:
    first = ({"width": 2.5}, {"width": 7.5})
    tried: list[float] = []

    def make(width: float) -> Peak:
        tried.append(width)
        return Peak(width)

    tune(make, Search({"width": [1.0, 9.0, "log"]}, 4, seed=0, first=first), SPEC, WARM, RANKED)
    assert tried[:2] == [2.5, 7.5] and len(set(tried)) == len(tried) >= 4


def test_a_setting_outside_of_a_narrowed_space_is_passed_over() -> None:
    first, tried = ({"width": 30.0}, {"height": 2.0}, {"width": 4.5}), list[float]()

    def make(width: float) -> Peak:
        tried.append(width)
        return Peak(width)

    tune(make, Search({"width": [1.0, 9.0, "log"]}, 3, seed=0, first=first), SPEC, WARM, RANKED)
    assert tried[0] == 4.5 and 30.0 not in tried[:3]


@pytest.mark.parametrize(("first", "is_right"), [([{"width": 3.0}], True), ([], True), (["width"], False), ({"width": 3.0}, False)])
def test_what_is_to_be_tried_first_is_a_list_of_settings(first: Any, is_right: bool) -> None:
    found = [key for key, _ in search_problems({"space": {"width": [1.0, 9.0, "log"]}, "n_trials": 4, "first": first}, "model")]
    assert found == ([] if is_right else ["model.first"])
