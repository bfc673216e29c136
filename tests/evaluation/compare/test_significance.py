"""mmrec.evaluation.compare.significance: textbook values, cases that can be enumerated, and coverage on generated data."""

import math

import numpy as np
import polars as pl
import pytest

from mmrec.evaluation.compare.significance import (
    align_users,
    bootstrap_interval,
    cohens_d_z,
    holm,
    mean_interval,
    paired_test,
    paired_test_within_seeds,
    permutation_p_value,
    superiority,
)


def table(rows: list[tuple[str, int, float | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "seed", "ndcg@20"], orient="row")


def test_holm_multiplies_the_least_by_all_the_next_by_one_fewer_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # 3 × .01, then 2 × .03 above 1 × .04, 4 × .005
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_few_users_are_enumerated() -> None:
    # Of the 8 signs of 1, 2, 3 the sums are ±6, ±4, ±2, 0, 0.
    assert permutation_p_value(np.array([1.0, 2.0, 3.0]), seed=0) == 2 / 8
    assert permutation_p_value(np.array([-1.0, 2.0, 3.0]), seed=0) == 4 / 8
    assert permutation_p_value(np.array([1.0, 2.0, -3.0]), seed=0) == 1.0
    assert permutation_p_value(np.array([0.0, 0.1, 0.2, 0.0, 0.3]), seed=0) == 2 / 8, "users without a difference change nothing"
    assert permutation_p_value(np.full(13, 0.1), seed=0) == 2 / 2**13


def test_drawn_signs_agree_with_all_signs() -> None:
    differences = np.random.default_rng(1).normal(0.2, 1.0, 16)
    signs = 1 - 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1)
    exact = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    drawn = permutation_p_value(differences, seed=3, n_permutations=20_000)
    assert 0.01 < exact < 0.5
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))
    assert drawn == permutation_p_value(differences, seed=3, n_permutations=20_000)


def test_drawn_p_is_never_zero_and_no_difference_is_no_finding() -> None:
    assert permutation_p_value(np.full(200, 0.1), seed=0, n_permutations=999) == 1 / 1000
    assert permutation_p_value(np.zeros(5), seed=0) == 1.0


def test_many_users_are_as_good_as_normal() -> None:
    differences = np.random.default_rng(0).normal(0.0, 1.0, 60_000)
    differences += 2 / math.sqrt(60_000) - differences.mean()
    assert permutation_p_value(differences, seed=0) == pytest.approx(0.0455, abs=0.001)


def test_p_is_uniform_where_there_is_nothing() -> None:
    rng = np.random.default_rng(5)
    found = [permutation_p_value(rng.exponential(1.0, 30) - rng.exponential(1.0, 30), seed=i, n_permutations=199) for i in range(300)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_the_interval_over_users_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for i in range(200):
        ours, theirs = rng.normal(0.3, 1.0, (1, 80)), rng.normal(0.0, 1.0, (1, 80))
        low, high = bootstrap_interval(ours, theirs, seed=i, n_resamples=200)
        covered += low <= 0.3 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_seeds_widen_the_interval_by_what_they_vary() -> None:
    """A seed's own luck, the same for all users, is invisible to users alone and all there is to see for users and seeds."""
    luck = np.array([-0.3, -0.1, 0.1, 0.3])[:, None]
    users = np.random.default_rng(0).random((1, 500))
    assert bootstrap_interval(users + luck.mean(), users, seed=0) == pytest.approx((0.0, 0.0), abs=1e-12)
    low, high = bootstrap_interval(users + luck, users, seed=0, n_resamples=4000)
    spread = luck.std() / 2  # of the mean of four seeds, drawn with replacement
    assert (low, high) == pytest.approx((-1.96 * spread, 1.96 * spread), rel=0.15)


def test_the_hierarchical_interval_covers_where_that_over_users_does_not() -> None:
    rng, crossed, users_only = np.random.default_rng(3), 0, 0
    for i in range(100):
        users = rng.normal(0.0, 1.0, (1, 60))
        ours = users + rng.normal(0.0, 0.5, (8, 1)) + rng.normal(0.0, 0.5, (8, 60))
        low, high = bootstrap_interval(ours, users, seed=i, n_resamples=200)
        crossed += low <= 0 <= high
        low, high = bootstrap_interval(ours.mean(axis=0, keepdims=True), users, seed=i, n_resamples=200)
        users_only += low <= 0 <= high
    assert crossed >= 82 > 60 > users_only


def test_effect_sizes_by_hand() -> None:
    differences = np.array([0.2, 0.0, -0.1, 0.3])
    assert cohens_d_z(differences) == pytest.approx(0.1 / math.sqrt(0.1 / 3))  # deviations .1, -.1, -.2, .2: squares sum to .1
    assert superiority(differences) == 2.5 / 4
    assert cohens_d_z(np.full(3, 0.1)) is None and superiority(np.full(3, 0.1)) == 1.0
    assert cohens_d_z(np.array([0.1])) is None


def test_a_paired_test_by_hand() -> None:
    found = paired_test(np.array([[0.5, 0.4, 0.7], [0.7, 0.4, 0.7]]), np.array([[0.4, 0.2, 0.4]]), seed=0)
    assert (found.ours, found.theirs) == (pytest.approx(3.4 / 6), pytest.approx(1 / 3))
    assert found.mean == pytest.approx(0.7 / 3)  # differences .2, .2, .3
    assert found.p_value == 2 / 8 and found.superiority == 1.0 and found.n_users == 3
    assert found.d_z == pytest.approx(0.7 / 3 / math.sqrt((2 * (1 / 30) ** 2 + (1 / 15) ** 2) / 2))
    assert 0.1 <= found.low < found.mean < found.high <= 0.3 + 1e-12 and not found.includes_zero
    assert found == paired_test(np.array([[0.5, 0.4, 0.7], [0.7, 0.4, 0.7]]), np.array([[0.4, 0.2, 0.4]]), seed=0)


def test_users_are_aligned_by_id_and_kept_where_all_seeds_of_both_have_them() -> None:
    ours = table([("b", 1, 0.1), ("a", 1, 0.2), ("a", 2, 0.4), ("b", 2, 0.3), ("c", 1, 0.9), ("d", 1, 0.5), ("d", 2, None)])
    theirs = table([("d", 7, 0.0), ("c", 7, 0.0), ("b", 7, 0.6), ("a", 7, 0.7), ("e", 7, 0.0)])
    first, second = align_users(ours, theirs, "ndcg@20")
    assert first.tolist() == [[0.2, 0.1], [0.4, 0.3]]
    assert second.tolist() == [[0.7, 0.6]]


def test_within_seeds_the_first_two_moments_are_hand_worked() -> None:
    ours = np.array([[0.3, 0.5, np.nan], [0.2, np.nan, 0.8]])
    theirs = np.array([[0.1, 0.5, np.nan], [0.1, np.nan, 0.5]])
    found = paired_test_within_seeds(ours, theirs, seed=0)
    assert (found.ours, found.theirs) == (pytest.approx((0.4 + 0.5) / 2), pytest.approx((0.3 + 0.3) / 2))
    assert found.mean == pytest.approx((0.1 + 0.2) / 2)
    assert found.low <= found.mean <= found.high
    # Of users' shares .15/2, 0, .3/4 the second changes nothing: of four sign patterns two reach the sum.
    assert found.p_value == 0.5
    assert (found.n_users, found.superiority) == (3, pytest.approx((1 + 0.5 + 1) / 3))


def test_within_seeds_of_one_seed_is_the_paired_test() -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.random((1, 60)), rng.random((1, 60))
    one, other = paired_test_within_seeds(ours, theirs, seed=5), paired_test(ours, theirs, seed=5)
    assert (one.mean, one.p_value, one.d_z) == (pytest.approx(other.mean), other.p_value, pytest.approx(other.d_z))
    assert (one.low, one.high) == (pytest.approx(other.low, abs=0.02), pytest.approx(other.high, abs=0.02))


def test_the_interval_of_a_mean_covers_it_with_users_and_seeds_that_vary() -> None:
    """Of μ + user + seed + noise, with gaps, 95% intervals hold μ about that often; ten seeds, lest they be too few."""
    covered = 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        values = 0.5 + rng.normal(0, 0.2, (1, 50)) + rng.normal(0, 0.05, (10, 1)) + rng.normal(0, 0.1, (10, 50))
        values[rng.random(values.shape) < 0.2] = np.nan
        low, high = mean_interval(values, trial, n_resamples=200)
        covered += low <= 0.5 <= high
    assert 0.87 <= covered / 200 <= 0.99


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    users = rng.random((1, 200))
    alike, apart = users + np.zeros((3, 1)), users + np.array([[-0.1], [0.0], [0.1]])
    (a, b), (c, d) = mean_interval(alike, 0), mean_interval(apart, 0)
    assert d - c > 2 * (b - a)
