"""The numbers of the comparison, worked by hand, and the words made of them."""

import polars as pl
import pytest

from mmrec.evaluation.compare.against_baselines import charted_models, compare, describe_standing, headline, paired_difference
from mmrec.evaluation.format import format_percent

METRICS = {
    "models": {
        "fusion": {"test/ndcg@20": 0.33, "test/recall@20": 0.44, "val/ndcg@20": 0.5},
        "ease": {"test/ndcg@20": 0.3, "test/recall@20": 0.55, "val/ndcg@20": 0.4},
        "popularity": {"test/ndcg@20": 0.1},
    },
    "seeds": {"1": {"test/ndcg@20": 0.32}, "2": {"test/ndcg@20": 0.34}},
    "confidence": {"ease": {"test/ndcg@20": [0.29, 0.31]}},
}


def test_comparison_holds_values_spread_best_and_difference() -> None:
    comparison = compare(METRICS, ["ndcg@20", "recall@20", "val/ndcg@20"])
    fusion, ease, popularity = (comparison.rows[name] for name in ("fusion", "ease", "popularity"))
    assert [cell.value for cell in popularity] == [0.1, None, None]
    assert [cell.is_best for cell in fusion] == [True, False, True]
    assert [cell.is_best for cell in ease] == [False, True, False]
    assert fusion[0].std == pytest.approx(0.0141421, abs=1e-6)
    assert fusion[1].std is None and ease[0].std is None
    assert ease[0].interval == (0.29, 0.31)
    assert [d.baseline for d in comparison.differences] == ["ease"] * 3
    assert [d.relative for d in comparison.differences] == pytest.approx([0.1, -0.2, 0.25])


@pytest.mark.parametrize(("metric", "declared"), [("rmse", []), ("cost", ["cost"])])
def test_the_lowest_is_best_where_lower_is_better(metric: str, declared: list[str]) -> None:
    models = {name: {f"test/{metric}": value} for name, value in {"m": 0.9, "a": 1.0, "b": 1.2, "c": 0.95}.items()}
    metrics = {"models": models | {"d": {}}, "lower_is_better": declared}
    comparison = compare(metrics, [metric])
    assert [cells[0].is_best for cells in comparison.rows.values()] == [True, False, False, False, False]
    assert (comparison.differences[0].baseline, comparison.differences[0].sign) == ("c", -1)
    assert describe_standing(comparison, metric).endswith("(0.9000 against 0.9500); lower is better")
    assert (headline(metrics), charted_models(metrics)) == (metric, ["m", "c", "a", "b", "d"])


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (0.2, {"a": 0.25, "b": 0.1}, "m is 20.0% below a, the best of 2 baselines, in test ndcg@20 (0.2000 against 0.2500)"),
        (0.3, {"a": 0.25}, "m is 20.0% above a, the only baseline, in test ndcg@20 (0.3000 against 0.2500)"),
        (0.25001, {"a": 0.25}, "m is level with a, the only baseline, in test ndcg@20 (0.2500 against 0.2500)"),
        (0.3, {"a": 0.0, "b": 0.0}, "m reaches 0.3000 in test ndcg@20, where every baseline is at zero"),
        (0.3, {}, "m reaches 0.3000 in test ndcg@20, without baselines for comparison"),
        (None, {"a": 0.1}, "m was not measured in test ndcg@20"),
    ],
)
def test_standing_says_what_is_the_case(ours: float | None, theirs: dict[str, float], words: str) -> None:
    models = {"m": ours} | theirs
    comparison = compare({"models": {name: {"test/ndcg@20": value} for name, value in models.items()}}, ["ndcg@20"])
    assert describe_standing(comparison, "ndcg@20") == words


def test_charts_show_ours_and_the_best_five_baselines() -> None:
    values = {"fusion": 0.1, "a": 0.2, "b": 0.7, "c": 0.3, "d": 0.6, "e": 0.5, "f": 0.4}
    metrics = {"models": {name: {"test/ndcg@10": 1 - value, "test/ndcg@20": value} for name, value in values.items()}}
    assert charted_models(metrics) == ["fusion", "b", "d", "e", "f", "c"]
    assert charted_models({"models": {"fusion": {"test/auc": 0.5}, "a": {}}}) == ["fusion", "a"]


def test_paired_difference_averages_seeds_and_keeps_users_that_all_seeds_of_both_have() -> None:
    ours = [("a", "m", 1, 0.4), ("a", "m", 2, 0.6), ("b", "m", 1, 0.4), ("b", "m", 2, 0.4), ("c", "m", 1, 1.0), ("d", "m", 1, 1.0)]
    theirs = [("a", "e", 1, 0.3), ("b", "e", 1, 0.4), ("c", "e", 1, 0.5)]
    per_user = pl.DataFrame(ours + theirs, schema=["user_id", "model", "seed", "ndcg@20"], orient="row")
    paired = paired_difference(per_user, "m", "e", "ndcg@20", seed=0)
    # Differences 0.2 for a, 0.0 for b: mean 0.1. The extremes take a alone with seed 2, and b alone.
    assert (paired.mean, paired.n_users) == (pytest.approx(0.1), 2)
    assert (paired.ours, paired.theirs) == (pytest.approx(0.45), pytest.approx(0.35))
    assert (paired.low, paired.high) == (pytest.approx(0.0), pytest.approx(0.3))
    assert paired.includes_zero
    assert paired_difference(per_user.filter(pl.col("user_id") == "a"), "m", "e", "ndcg@20", seed=0) is None


@pytest.mark.parametrize(("ratio", "text"), [(0.0123, "+1.2%"), (-0.0123, "−1.2%"), (-0.0001, "0.0%"), (None, "–")])
def test_percent(ratio: float | None, text: str) -> None:
    assert format_percent(ratio) == text


def test_the_headline_is_ndcg_at_the_greatest_cutoff_that_ours_has() -> None:
    ours = {"test/ndcg@5": 0.1, "test/ndcg@10": 0.1, "val/ndcg@20": 0.1, "test/recall@50": 0.1}
    assert headline({"models": {"fusion": ours, "ease": {"test/ndcg@100": 0.1}}}) == "ndcg@10"
    assert headline({"models": {"fusion": {"test/recall@5": 0.1}}}) == "ndcg"
