"""mmrec.evaluation.pages.run_slices: whiskers, tests of every group, and the sentence that says for whom it is better."""

from mmrec.evaluation.pages.run_slices import describe_slice_tests, slice_grid, slice_views
from tests.pages import Page, rows_of


def outcome(difference: float, p: float) -> dict:
    return {"n_users": 9, "difference": difference, "low": -1.0, "high": 1.0, "p_value": p / 4, "p_holm": p}


GROUPS = {
    "item_degree": {"cold": outcome(0.02, 0.01), "head": outcome(-0.01, 0.2)},
    "user_degree": {"few": outcome(-0.03, 0.04)},
    "users.age": {"18–25": outcome(0.04, 0.049)},
}
MODELS = {
    "fusion": {"cold": {"n": 3, "ndcg@20": 0.1, "intervals": {"ndcg@20": [0.05, 0.2]}}, "tail": {"n": 1, "ndcg@20": 0.3}},
    "ease": {"cold": {"n": 3, "ndcg@20": 0.0, "intervals": {"ndcg@20": [0.0, 0.0]}}},
}
METRICS = {
    "models": {"fusion": {}, "ease": {}},
    "slices": {model: {"item_degree": groups} for model, groups in MODELS.items()},
    "slice_tests": {"metric": "ndcg@20", "baseline": "ease", "groups": GROUPS},
}


def test_a_sentence_says_for_whom_it_is_better_and_worse() -> None:
    assert describe_slice_tests(METRICS) == (
        "Against ease, the best baseline in ndcg@20: better for cold items and age 18–25; worse for users with few interactions; "
        "no significant difference for the other 1 group"
    )
    alike = METRICS["slice_tests"] | {"groups": {"item_degree": {"cold": outcome(0.1, 0.05), "head": outcome(0.0, 1.0)}}}
    assert describe_slice_tests({"slice_tests": alike}).endswith("ndcg@20: no significant difference for all 2 groups")
    assert describe_slice_tests({}) == ""


def test_a_view_has_whiskers_and_the_tests_of_its_groups() -> None:
    (view,) = slice_views(METRICS)
    (spec,) = Page(view.charts[0]).charts.values()
    (row,) = [row for row in rows_of(spec) if (row["series"], row["group"]) == ("fusion", "cold")]
    assert (row["value"], row["low"], row["high"], row["interval"]) == (0.1, 0.05, 0.2, "0.0500 to 0.2000")
    assert (view.tested, view.baseline) == ("ndcg@20", "ease")
    cold, tail = view.tests
    assert cold.is_found and cold.difference == 0.02 and tail is None


def test_runs_without_intervals_or_tests_are_shown_as_before() -> None:
    grid = slice_grid(MODELS, "ndcg@20")
    assert grid.values == [[0.1, 0.3], [0.0, None]] and grid.sizes == [3, 1]
    assert grid.intervals == [[(0.05, 0.2), None], [(0.0, 0.0), None]]
    (view,) = slice_views({name: value for name, value in METRICS.items() if name != "slice_tests"})
    assert view.tests == [] and view.tested == ""


def test_slices_are_charted_at_the_cutoff_that_they_were_measured_at() -> None:
    groups = {"cold": {"n": 3, "ndcg@5": 0.1, "recall@5": 0.2}}
    (view,) = slice_views({"models": {"fusion": {}}, "slices": {"fusion": {"item_degree": groups}}})
    assert list(view.grids) == ["ndcg@5", "recall@5"] and "test recall@5" in view.charts[1]
