"""mmrec.evaluation.compare.leaderboard: hand-worked means and differences, and what becomes of seeds and users that not all have."""

from dataclasses import replace

import polars as pl
import pytest

from mmrec.errors import DataError
from mmrec.evaluation.compare.leaderboard import MeasuredModel, describe_section, make_section

METRIC = "ndcg@20"
N_USERS = 40


def model(name: str, values: dict[int, list[float]], is_baseline: bool = True) -> MeasuredModel:
    """A model whose users u0, u1, … have the values given for each seed."""
    rows = [(f"u{u}", seed, value) for seed, of_users in values.items() for u, value in enumerate(of_users)]
    frame = pl.DataFrame(rows, schema=["user_id", "seed", METRIC], orient="row")
    return MeasuredModel(name, is_baseline, frame, dict.fromkeys(values, 2.0), {seed: {"coverage@20": 0.25} for seed in values})


def ramp(by: float, seeds: int = 2) -> dict[int, list[float]]:
    return {seed: [u / 100 + by + seed / 10 for u in range(N_USERS)] for seed in range(seeds)}


def test_means_are_over_users_then_seeds() -> None:
    section = make_section("shop", "warm", [model("ours", {1: [0.2, 0.4], 2: [0.8]}, False)], [METRIC], METRIC, seed=0)
    value = section.first.values[METRIC]
    assert value.mean == pytest.approx((0.3 + 0.8) / 2)  # and not (0.2 + 0.4 + 0.8) / 3
    assert value.std == pytest.approx(0.5 / 2**0.5)
    assert value.low < value.mean < value.high
    assert (section.seeds, section.n_users, section.first.coverage, section.first.fit_s) == ((1, 2), 2, 0.25, 2.0)


def test_differences_are_within_a_seed_and_to_the_first() -> None:
    """Seeds differ by far more than the models do; within a seed every user gains 0.01."""
    section = make_section("shop", "warm", [model("ours", ramp(0.0), False), model("ease", ramp(0.01))], [METRIC], METRIC, seed=0)
    assert section.first.difference is None and section.first.p_holm is None
    test = section.rows[1].difference
    assert (test.mean, test.low, test.high) == (pytest.approx(0.01), pytest.approx(0.01), pytest.approx(0.01))
    assert test.p_value < 0.001 and test.superiority == 1.0 and section.rows[1].is_found
    assert [row.name for row in section.ranked] == ["ease", "ours"]
    assert section.best_baseline.name == "ease"


def test_p_values_are_corrected_over_the_models_of_a_section() -> None:
    few = {0: [0.1, 0.2, 0.3, 0.4, 0.5]}
    higher = {0: [value + 0.1 + i / 100 for i, value in enumerate(few[0])]}
    section = make_section("s", "t", [model("ours", few, False), *(model(f"b{i}", higher) for i in range(3))], [METRIC], METRIC, seed=0)
    assert [row.difference.p_value for row in section.rows[1:]] == [2 / 32] * 3
    assert [row.p_holm for row in section.rows[1:]] == [pytest.approx(6 / 32)] * 3
    assert not any(row.is_found for row in section.rows)


def test_a_model_that_lacks_a_seed_or_users_is_tested_where_both_have_them() -> None:
    ours = {1: [0.5, 0.5, 0.5], 2: [0.9, 0.9, 0.9]}
    section = make_section("s", "t", [model("ours", ours, False), model("late", {2: [0.8, 0.8]})], [METRIC], METRIC, seed=0)
    test = section.rows[1].difference
    assert (test.mean, test.n_users, test.ours, test.theirs) == (pytest.approx(-0.1), 2, pytest.approx(0.8), pytest.approx(0.9))
    elsewhere = make_section("s", "t", [model("ours", ours, False), model("none", {3: [0.8]})], [METRIC], METRIC, seed=0)
    assert elsewhere.rows[1].difference is None


def test_a_metric_that_a_model_lacks_is_named() -> None:
    with pytest.raises(DataError, match="shop, warm: ease was not measured in recall@5"):
        make_section("shop", "warm", [model("ease", ramp(0.0))], ["recall@5"], METRIC, seed=0)


@pytest.mark.parametrize(
    ("baselines", "said"),
    [
        ({}, "ours reaches 0.2450 in ndcg@20, without baselines for comparison"),
        ({"pop": [0.0] * N_USERS}, "ours reaches 0.2450 in ndcg@20, where every baseline is at zero"),
        (
            {"a": [0.1] * N_USERS, "b": [0.05] * N_USERS},
            "ours is 145.0% above a, the best of 2 baselines, in ndcg@20 (0.2450 against 0.1000; 95%",
        ),
        ({"a": [u / 100 + 0.1 for u in range(N_USERS)]}, "−0.0500 to −0.0500, p < .001 after Holm)"),
        ({"a": [0.245 + (-1) ** u / 100 for u in range(N_USERS)]}, ", which is not significant with these users and seeds"),
    ],
)
def test_the_sentence_says_whichever_way_it_falls(baselines: dict[str, list[float]], said: str) -> None:
    ours = model("ours", {0: [u / 100 + 0.05 for u in range(N_USERS)]}, False)
    section = make_section("s", "t", [ours, *(model(name, {0: values}) for name, values in baselines.items())], [METRIC], METRIC, seed=0)
    assert said in describe_section(section)


@pytest.mark.parametrize(("metric", "lower"), [("rmse", []), ("cost", ["cost"])])
def test_the_lowest_stands_first_where_lower_is_better(metric: str, lower: list[str]) -> None:
    models = [model("ours", ramp(0.02), False), model("a", ramp(0.0)), model("b", ramp(0.01))]
    renamed = [replace(one, per_user=one.per_user.rename({METRIC: metric})) for one in models]
    section = make_section("s", "t", renamed, [metric], metric, seed=0, lower_is_better=lower)
    assert [row.name for row in section.ranked] == ["a", "b", "ours"]
    assert (section.best_baseline.name, section.best(metric)) == ("a", section.rows[1].values[metric].mean)
    assert "; lower is better" in describe_section(section)


def test_metrics_over_rows_are_means_of_runs_and_not_of_users() -> None:
    """One user of many rows decides the error over all rows; tests are of users all the same."""
    over_rows = {1: {"rmse": (0.9, 0.8, 1.0), "calibration_error": (0.02, 0.01, 0.03)}, 2: {"rmse": (1.1, 0.9, 1.2)}}
    users = {1: [0.2, 0.4], 2: [0.8, 0.6]}
    ours = replace(model("ours", users, False), over_rows=over_rows)
    ours = replace(ours, per_user=ours.per_user.rename({METRIC: "rmse"}), lists={})
    section = make_section("ml", "folds", [ours], ["rmse"], "rmse", seed=0)
    value = section.first.values["rmse"]
    assert (value.mean, value.low, value.high) == (pytest.approx(1.0), pytest.approx(0.85), pytest.approx(1.1))
    assert value.std == pytest.approx(0.02**0.5)
    assert section.first.coverage is None
    with pytest.raises(DataError, match="ours was not measured in calibration_error"):  # of the second run
        make_section("ml", "folds", [ours], ["calibration_error"], "rmse", seed=0)
