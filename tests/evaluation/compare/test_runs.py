"""mmrec.evaluation.compare.runs: what is tested, corrected, refused, and said."""

import polars as pl
import pytest

from mmrec.errors import ConfigError, DataError
from mmrec.evaluation.compare.runs import MeasuredRun, compare_runs, seed_caveat, verdicts
from mmrec.evaluation.format import format_p

N = 8
BASE = [0.1 * i for i in range(1, N + 1)]


def make_run(label: str, values: list[float], split_hash: str = "s", cold: float | None = None, seed: int = 1) -> MeasuredRun:
    """A run of one seed whose recall@20 is half its ndcg@20."""
    frame = pl.DataFrame({"user_id": [f"u{i}" for i in range(len(values))], "seed": seed, "recall@20": values, "ndcg@20": values})
    frame = frame.with_columns(pl.col("recall@20") / 2)
    mean = sum(values) / len(values)
    slices = {"item_degree": {"cold": {"n": 1234, "ndcg@20": cold}}} if cold is not None else {}
    return MeasuredRun(
        label, f"runs/{label}", {"test/ndcg@20": mean, "test/recall@20": mean / 2, "val/map@20": 1.0}, slices, frame, split_hash
    )


def shifted(by: float) -> list[float]:
    return [value + by for value in BASE]


def test_every_run_is_held_against_the_first_and_corrected_as_one_family() -> None:
    mixed = [value + (0.05 if i % 2 else -0.05) for i, value in enumerate(BASE)]
    comparison = compare_runs([make_run("a", BASE), make_run("b", shifted(0.09)), make_run("c", mixed)], None, seed=0)
    assert (comparison.metric, comparison.columns) == ("ndcg@20", ("recall@20", "ndcg@20"))
    assert [run.label for run in comparison.runs] == ["a", "b", "c"]
    better, none = comparison.differences
    assert better.test.mean == pytest.approx(0.09) and better.test.p_value == 2 / 2**N and better.p_holm == 4 / 2**N
    assert better.is_found and not none.is_found and none.p_holm == 1.0
    assert better.intervals["recall@20"] == pytest.approx((0.045, 0.045))


def test_verdicts_say_how_much_how_sure_and_what_of_cold_items() -> None:
    runs = [make_run("a", BASE, cold=0.1), make_run("b", shifted(0.09), cold=0.25), make_run("c", BASE), make_run("d", shifted(-0.045))]
    found = verdicts(compare_runs(runs, "ndcg@20", seed=0))
    cold = "; on cold items 0.2500 against 0.1000 (1,234 to find, not tested)"
    after, many = "after Holm over 3 comparisons", "of 8 users (ties by half)"
    assert found == [
        # All eight users alike: 2 of 256 signs reach it, times three; no spread, hence no d.
        f"b is 20.0% above a in ndcg@20 (0.5400 against 0.4500), p = .023 {after}, higher for 100% {many}{cold}",
        f"c does not differ significantly from a in ndcg@20 (0.4500 against 0.4500), p = 1.000 {after}, higher for 50% {many}",
        f"d is 10.0% below a in ndcg@20 (0.4050 against 0.4500), p = .023 {after}, higher for 0% {many}",
    ]


def test_one_comparison_needs_no_correction_and_an_effect_has_its_size() -> None:
    values = [value + (0.1 if i < 6 else -0.1) for i, value in enumerate(BASE)]
    (said,) = verdicts(compare_runs([make_run("a", BASE), make_run("b", values)], None, seed=0))
    # Mean .05; deviations .05 six times and -.15 twice: squares sum to .06, d = .05 / sqrt(.06 / 7).
    assert said.startswith(
        "b does not differ significantly from a in ndcg@20: 11.1% above (0.5000 against 0.4500), p = .289, d = .54, higher for 75% of 8"
    )


def test_a_base_at_zero_has_no_percentage() -> None:
    (said,) = verdicts(compare_runs([make_run("a", [0.0] * N), make_run("b", BASE)], None, seed=0))
    assert said.startswith("b is above a in ndcg@20 (0.4500 against 0.0000), p = .008, d = ")


def test_seeds_that_disagree_take_a_finding_back() -> None:
    first = make_run("a", BASE)
    lucky, luckless = (make_run("b", shifted(by), seed=seed) for by, seed in ((0.3, 1), (-0.1, 2)))
    both = MeasuredRun("b", "runs/b", lucky.metrics, {}, pl.concat([lucky.per_user, luckless.per_user]), "s")
    comparison = compare_runs([first, both], None, seed=0)
    assert comparison.differences[0].p_holm < 0.05 and not comparison.differences[0].is_found
    assert "b does not differ significantly from a" in verdicts(comparison)[0]
    assert seed_caveat(comparison).startswith("a is of one seed: ")
    assert seed_caveat(compare_runs([first, first, both], None, seed=0)).startswith("a, a are of one seed: ")
    assert seed_caveat(compare_runs([first, first], None, seed=0)).startswith("All runs are of one seed: ")
    assert seed_caveat(compare_runs([both, both], None, seed=0)) is None
    assert "but the 95% interval that includes seeds is -0.1000 to +0.3000" in verdicts(comparison)[0]


def test_runs_of_different_splits_are_refused_with_both_folders_and_hashes() -> None:
    with pytest.raises(DataError, match=r"runs/a and runs/c are of different splits \(s and other\)"):
        compare_runs([make_run("a", BASE), make_run("b", BASE), make_run("c", BASE, "other")], None, seed=0)


def test_a_metric_that_not_all_have_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"--metric: `ndcg@2` is not a common metric .* did you mean `ndcg@20`\?"):
        compare_runs([make_run("a", BASE), make_run("b", BASE)], "ndcg@2", seed=0)


def test_runs_without_users_in_common_are_refused() -> None:
    other = make_run("b", BASE)
    strangers = MeasuredRun("b", "runs/b", other.metrics, {}, other.per_user.with_columns(user_id="x" + pl.col("user_id")), "s")
    with pytest.raises(DataError, match=r"runs/b and runs/a: expected at least two users common to both, found 0"):
        compare_runs([make_run("a", BASE), strangers], None, seed=0)


@pytest.mark.parametrize(("p", "text"), [(0.0004, "p < .001"), (0.0042, "p = .004"), (1.0, "p = 1.000")])
def test_p(p: float, text: str) -> None:
    assert format_p(p) == text
