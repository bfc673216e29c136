"""The front of models that no other beats in accuracy, time and coverage at once, and what the chart and the sentence say of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.evaluation.compare.pareto import Standing, describe_front, pareto_front, pareto_view, standings_of, view_standings
from tests.pages import Page, rows_of

EASE, KNN = Standing("ease", 0.35, 0.7, 0.3), Standing("knn", 0.31, 0.2, 0.25)
POPULARITY, RANDOM = Standing("popularity", 0.15, 0.004, 0.06), Standing("random", 0.01, 0.01, 1.0)
FUSION = Standing("fusion", 0.30, 2.7, 0.2)  # ease and knn are better in all three


def test_front_by_hand() -> None:
    assert pareto_front([FUSION, EASE, KNN, POPULARITY, RANDOM]) == {"ease", "knn", "popularity", "random"}
    assert pareto_front([FUSION, RANDOM]) == {"fusion", "random"}
    assert pareto_front([FUSION]) == {"fusion"} and pareto_front([]) == set()


@pytest.mark.parametrize(
    ("other", "is_beaten"),
    [
        (Standing("other", 0.35, 0.7, 0.3), False),  # equal in all: on it together
        (Standing("other", 0.35, 0.7, 0.29), True),
        (Standing("other", 0.35, 0.71, 0.3), True),
        (Standing("other", 0.34, 0.7, 0.3), True),
        (Standing("other", 0.34, 0.69, 0.3), False),
        (Standing("other", 0.34, 0.71, 0.31), False),
    ],
)
def test_ties(other: Standing, is_beaten: bool) -> None:
    assert EASE.dominates(other) == is_beaten and not other.dominates(EASE)
    assert pareto_front([other, EASE]) == ({"ease"} if is_beaten else {"ease", "other"})


coordinates = st.integers(0, 3).map(float)
standings = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=1, max_size=8).map(
    lambda rows: [Standing(str(i), *row) for i, row in enumerate(rows)]
)


@given(standings)
def test_who_is_off_the_front_is_dominated_by_one_on_it(drawn: list[Standing]) -> None:
    front = pareto_front(drawn)
    on, off = ([s for s in drawn if (s.name in front) == inside] for inside in (True, False))
    assert on and not any(a.dominates(b) for a in on for b in on)
    assert all(any(a.dominates(b) for a in on) for b in off)


def test_sentence_names_the_front_and_who_dominates_ours() -> None:
    models = [FUSION, POPULARITY, KNN, EASE]
    start = "3 of 4 models are on the Pareto front, which no other model dominates: ease, knn and popularity."
    assert describe_front(models) == start
    assert describe_front(models, "ease") == f"{start} ease is on it."
    assert (
        describe_front(models, "fusion")
        == f"{start} fusion is not on it: ease and knn dominate it, with at least the same accuracy, time and coverage."
    )
    assert describe_front([FUSION, EASE], "fusion") == (
        "1 of 2 models is on the Pareto front, which no other model dominates: ease. "
        "fusion is not on it: ease dominates it, with at least the same accuracy, time and coverage."
    )


METRICS = {
    "models": {"fusion": {"test/ndcg@20": 0.3}, "ease": {"test/ndcg@20": 0.35}, "knn": {"test/ndcg@20": 0.31}},
    "lists": {"fusion": {"coverage@20": 0.2}, "ease": {"coverage@20": 0.3}, "knn": {"coverage@20": 0.25}},
}
RUN = {"fit_s": {"fusion": 2.7, "ease": 0.7, "knn": 0.2}}


def test_view_of_a_run() -> None:
    assert standings_of(METRICS, RUN, "ndcg@20") == [FUSION, EASE, KNN]
    view = pareto_view(METRICS, RUN, "ndcg@20")
    assert view.sentence == describe_front([FUSION, EASE, KNN], "fusion")
    (spec,) = Page(view.chart).charts.values()
    assert {row["title"]: row["is_filled"] for row in rows_of(spec) if "title" in row} == {
        "fusion: ndcg@20 0.3000, 2.7 s, 20.0% of the catalogue": False,
        "ease: ndcg@20 0.3500, 0.7 s, 30.0% of the catalogue": True,
        "knn: ndcg@20 0.3100, 0.2 s, 25.0% of the catalogue": True,
    }
    assert view.front == {"ease", "knn"} and view.standings == [FUSION, EASE, KNN]
    assert view_standings([FUSION, EASE, KNN], "ndcg@20").chart == view.chart


def test_a_model_that_lacks_one_of_the_three_is_left_out() -> None:
    lists = {name: values for name, values in METRICS["lists"].items() if name != "fusion"}
    assert (
        pareto_view(METRICS | {"lists": lists}, RUN, "ndcg@20").sentence
        == "2 of 2 models are on the Pareto front, which no other model dominates: ease and knn."
    )


@pytest.mark.parametrize(
    ("metrics", "run", "metric"),
    [
        (METRICS, {}, "ndcg@20"),  # of before fit_s was kept
        (METRICS, {"fit_s": {"fusion": 2.7}}, "ndcg@20"),
        ({"models": METRICS["models"]}, RUN, "ndcg@20"),
        (METRICS, RUN, "ndcg@10"),
    ],
)
def test_none_where_fewer_than_two_can_be_shown(metrics: dict, run: dict, metric: str) -> None:
    assert pareto_view(metrics, run, metric) is None
