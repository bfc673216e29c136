"""The chart of reliability: our model, the best baseline in the direction of the metric, and what would be perfect."""

from mmrec.evaluation.pages.run_reliability import CALIBRATED, reliability_chart

BINS = [{"predicted": 0.1, "observed": 0.2, "n": 5}, {"predicted": 0.9, "observed": 0.8, "n": 5}]
METRICS = {
    "models": {"ours": {"test/rmse": 0.9}, "near": {"test/rmse": 0.95}, "far": {"test/rmse": 1.2}},
    "reliability": {"ours": BINS, "near": BINS, "far": BINS},
    "lower_is_better": ["rmse"],
}


def test_ours_the_best_baseline_and_perfection_are_drawn() -> None:
    page = str(reliability_chart(METRICS))
    assert all(name in page for name in ("ours", "near", CALIBRATED))
    assert "far" not in page


def test_a_run_that_ranks_has_none() -> None:
    assert reliability_chart({"models": {"ours": {"test/ndcg@20": 0.3}}}) == ""
