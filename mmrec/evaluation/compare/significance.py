"""Statistical tests and confidence intervals for differences between two models.

Everything is paired: two models are evaluated on the same users, and a user's value is the mean over a model's seeds. The p-value is that
of the paired sign-flip permutation test. It only assumes exchangeable labels, whereas a t-test assumes normally distributed means; per-user
metrics are skewed, bounded, full of exact ties, and heteroscedastic. With a thousand users both agree (Smucker, Allan & Carterette 2007;
Urbano, Lima & Hanjalic 2019); with twenty, only the permutation test is exact.

The p-value refers to these trained models and to users like these. The interval also includes the variance over seeds, if there are
several: it resamples users and seeds, which are crossed rather than nested, independently of each other (the pigeonhole bootstrap, Owen
2007). With two or three seeds it still underestimates that variance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float64

from mmrec.types import USER_ID

Values = Float64[np.ndarray, "_n_seeds n_users"]
Differences = Float64[np.ndarray, " n_users"]
N_RESAMPLES, N_PERMUTATIONS = 1000, 9999
EXACT_USERS, MANY_USERS = 13, 50_000
_SIGNS_AT_ONCE, _ROUNDING = 2**22, 1e-12


@dataclass(frozen=True)
class PairedTest:
    """The result of a paired test of one model against another."""

    ours: float
    """The mean over common users and over seeds."""
    theirs: float
    mean: float
    """ours - theirs."""
    low: float
    """The lower end of the 95% interval of `mean`, over users and, if there are several, over seeds."""
    high: float
    p_value: float
    """Two-sided p-value of the sign-flip test over users."""
    d_z: float | None
    """Cohen's effect size of paired values; None if the difference is constant over users."""
    superiority: float
    """The fraction of users with a higher value of ours; ties count half."""
    n_users: int

    @property
    def includes_zero(self) -> bool:
        return self.low <= 0 <= self.high


def paired_test(ours: Values, theirs: Values, seed: int) -> PairedTest:
    """Test two models whose columns are the same users, at least two. Their seeds are not paired."""
    differences = ours.mean(axis=0) - theirs.mean(axis=0)
    low, high = bootstrap_interval(ours, theirs, seed)
    return PairedTest(
        ours=float(ours.mean()),
        theirs=float(theirs.mean()),
        mean=float(differences.mean()),
        low=low,
        high=high,
        p_value=permutation_p_value(differences, seed),
        d_z=cohens_d_z(differences),
        superiority=superiority(differences),
        n_users=len(differences),
    )


def paired_test_within_seeds(ours: Values, theirs: Values, seed: int) -> PairedTest:
    """Test two models whose rows are the same seeds, with the same split in each, and whose columns are the same users.

    Values are NaN for users who are not in a seed's test part, as splits may differ between seeds. The mean is over seeds of means over
    users; the sign-flip test permutes each user's contribution to it. At least one user must be in a seed.
    """
    differences = ours - theirs
    by_seed = np.nanmean(differences, axis=1)
    n_users_of = (~np.isnan(differences)).sum(axis=1, keepdims=True)
    shares = np.nansum(differences / n_users_of, axis=0) / len(differences)
    of_users = np.nanmean(differences[:, ~np.isnan(differences).all(axis=0)], axis=0)
    low, high = mean_interval(differences, seed)
    return PairedTest(
        ours=float(np.nanmean(ours, axis=1).mean()),
        theirs=float(np.nanmean(theirs, axis=1).mean()),
        mean=float(by_seed.mean()),
        low=low,
        high=high,
        p_value=permutation_p_value(shares, seed),
        d_z=cohens_d_z(of_users),
        superiority=superiority(of_users),
        n_users=len(of_users),
    )


def mean_interval(values: Values, seed: int, n_resamples: int = N_RESAMPLES) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the mean over seeds of means over users; NaN for users who are not in a seed.

    Users are resampled jointly for all seeds, and seeds, if there are several, independently of them (Owen 2007).
    """
    rng, known = np.random.default_rng(seed), ~np.isnan(values)
    filled, n_users = np.where(known, values, 0.0), values.shape[1]
    means = np.empty(n_resamples)
    for resample in range(n_resamples):
        times = np.bincount(rng.integers(n_users, size=n_users), minlength=n_users)
        counts = known @ times
        by_seed = (filled @ times)[counts > 0] / counts[counts > 0]
        means[resample] = _mean_of_resampled(by_seed[:, None], rng)[0] if len(by_seed) else np.nan
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float(low), float(high)


def align_users(ours: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> tuple[Values, Values]:
    """The values of two models for the users that all seeds of both share, in the order of user_id.

    The tables `user_id, seed, <metric>, …` are the rows of one model in a run's `per_user.parquet`.
    """
    wide = [frame.drop_nulls(metric).pivot("seed", index=USER_ID, values=metric).drop_nulls().sort(USER_ID) for frame in (ours, theirs)]
    first, second = (one.join(other, on=USER_ID, how="semi", maintain_order="left") for one, other in (wide, wide[::-1]))
    return _matrix(first), _matrix(second)


def bootstrap_interval(ours: Values, theirs: Values, seed: int, n_resamples: int = N_RESAMPLES) -> tuple[float, float]:
    """The 95% percentile bootstrap interval of the mean of ours minus theirs (Efron & Tibshirani 1993, ch. 13).

    Users are resampled in pairs. Seeds, if there are several, are resampled separately for each model, independently of the users (Owen
    2007, "The pigeonhole bootstrap").
    """
    rng = np.random.default_rng(seed)
    together, n_users = np.concatenate([ours, theirs]), ours.shape[1]
    at_once, means = max(1, _SIGNS_AT_ONCE // together.size), []
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        by_seed = together[:, rng.integers(n_users, size=(size, n_users))].mean(axis=2)
        means.append(_mean_of_resampled(by_seed[: len(ours)], rng) - _mean_of_resampled(by_seed[len(ours) :], rng))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def mean_intervals(values: Float64[np.ndarray, "n_users n"], seed: int, n_resamples: int = N_RESAMPLES) -> Float64[np.ndarray, "2 n"]:
    """The lower and upper ends of the 95% interval of each column's mean, by percentile bootstrap over users (Efron & Tibshirani 1993).

    Above 50,000 users, the normal approximation is used: 1.96 standard errors. At least one user is required.
    """
    n_users = len(values)
    if n_users > MANY_USERS:
        error = values.std(axis=0, ddof=1) / math.sqrt(n_users)
        ends: np.ndarray = values.mean(axis=0) + np.array([[-1.96], [1.96]]) * error
        return ends
    rng, at_once = np.random.default_rng(seed), max(1, _SIGNS_AT_ONCE // n_users)
    sizes = [min(at_once, n_resamples - start) for start in range(0, n_resamples, at_once)]
    means = [values[rng.integers(n_users, size=(size, n_users))].mean(axis=1) for size in sizes]
    quantiles: np.ndarray = np.quantile(np.concatenate(means), [0.025, 0.975], axis=0)
    return quantiles


def permutation_p_value(differences: Differences, seed: int, n_permutations: int = N_PERMUTATIONS) -> float:
    """The two-sided p-value of the mean under random sign flips of users (Fisher 1935; for retrieval: Smucker et al. 2007).

    Users without a difference are left out, as they have no effect. Up to 13 other users, all signs are enumerated, which is exact. Beyond,
    signs are sampled, and the observed ones count as one more sample, so that p is never zero (Phipson & Smyth 2010). Above 50,000 users,
    the sum is treated as normal with variance Σd².
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    observed = abs(moved.sum())
    if len(moved) > MANY_USERS:
        return math.erfc(observed / math.sqrt(2 * float((moved**2).sum())))
    reached = observed * (1 - _ROUNDING)  # tolerates rounding errors of other orders of summation
    if len(moved) <= EXACT_USERS:
        bits = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
        return float((np.abs((1 - 2 * bits) @ moved) >= reached).mean())
    return (1 + _count_reaching(moved, reached, seed, n_permutations)) / (1 + n_permutations)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of tests, in order (Holm 1979), which controls the family-wise error rate.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return adjusted


def cohens_d_z(differences: Differences) -> float | None:
    """The mean divided by the sample standard deviation of the differences (Cohen 1988, d_z); None if they are constant."""
    if len(differences) < 2 or (spread := float(differences.std(ddof=1))) <= _ROUNDING * abs(differences.mean()):
        return None
    return float(differences.mean()) / spread


def superiority(differences: Differences) -> float:
    """The probability that ours is higher for a random user; ties count half (Grissom & Kim 2012, ch. 5, dependent groups).

    >>> superiority(np.array([0.2, 0.0, -0.1, 0.3]))
    0.625
    """
    return float((differences > 0).mean() + 0.5 * (differences == 0).mean())


def _matrix(wide: pl.DataFrame) -> Values:
    return np.ascontiguousarray(wide.drop(USER_ID).cast(pl.Float64).to_numpy().T, dtype=np.float64)


def _mean_of_resampled(by_seed: Float64[np.ndarray, "n_seeds n"], rng: np.random.Generator) -> Float64[np.ndarray, " n"]:
    """The means of columns after each column's seeds have been resampled."""
    n_seeds, n = by_seed.shape
    resampled = by_seed if n_seeds == 1 else np.take_along_axis(by_seed, rng.integers(n_seeds, size=(n_seeds, n)), axis=0)
    means: np.ndarray = resampled.mean(axis=0)
    return means


def _count_reaching(moved: Differences, reached: float, seed: int, n_permutations: int) -> int:
    """The number of sampled sign vectors whose sum is at least as far from zero; a bounded number of signs is in memory at a time."""
    rng, count = np.random.default_rng(seed), 0
    total, at_once = moved.sum(), max(1, _SIGNS_AT_ONCE // len(moved))
    for start in range(0, n_permutations, at_once):
        n = min(at_once, n_permutations - start)
        bits = np.unpackbits(rng.integers(256, size=(n, -(-len(moved) // 8)), dtype=np.uint8), axis=1, count=len(moved))
        count += int((np.abs(total - 2 * (bits @ moved)) >= reached).sum())
    return count
