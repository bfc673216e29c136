"""Compare runs on one split with the first of them: paired differences, corrected for multiple testing, and verdicts in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mmrec.errors import ConfigError, DataError, nearest
from mmrec.evaluation.compare.against_baselines import cutoff, describe_direction
from mmrec.evaluation.compare.significance import PairedTest, align_users, bootstrap_interval, holm, paired_test
from mmrec.evaluation.format import format_p, format_percent, format_value, without_zero
from mmrec.metrics.direction import sign
from mmrec.types import USER_ID

LEVEL = 0.05


@dataclass(frozen=True)
class MeasuredRun:
    """The results of a run that a comparison uses."""

    label: str
    folder: str
    metrics: dict[str, float]
    """The metrics of our model, means over seeds: `test/ndcg@20` and so on."""
    slices: dict[str, dict[str, dict[str, Any]]]
    per_user: pl.DataFrame
    """The rows of our model: `user_id, seed, <metric>, …` on the test part."""
    split_hash: str
    lower_is_better: tuple[str, ...] = ()
    """The metrics for which its task declares that lower is better."""

    @property
    def n_seeds(self) -> int:
        return self.per_user["seed"].n_unique()


@dataclass(frozen=True)
class RunDifference:
    """The difference between a run and the first one."""

    run: MeasuredRun
    test: PairedTest
    """In the metric of the comparison."""
    p_holm: float
    """`test.p_value`, corrected over all runs of the comparison."""
    intervals: dict[str, tuple[float, float]]
    """The 95% intervals of the difference in every metric."""

    @property
    def is_found(self) -> bool:
        """Whether p is below 5% after correction, and the interval, which seeds widen, excludes zero."""
        return self.p_holm < LEVEL and not self.test.includes_zero


@dataclass(frozen=True)
class RunComparison:
    """Several runs compared with the first of them."""

    first: MeasuredRun
    differences: tuple[RunDifference, ...]
    metric: str
    """The tested metric, such as `ndcg@20`."""
    columns: tuple[str, ...]
    """The metrics that all runs have."""

    @property
    def runs(self) -> tuple[MeasuredRun, ...]:
        return (self.first, *(difference.run for difference in self.differences))


def compare_runs(runs: Sequence[MeasuredRun], metric: str | None, seed: int) -> RunComparison:
    """Compare all runs with the first, with one test per run and Holm correction.

    Args:
        runs: the runs; the first one is the reference.
        metric: the metric to test. None: ndcg at the largest cutoff.
        seed: of the resampling.

    Raises:
        DataError: splits differ, or two runs share fewer than two users.
        ConfigError: not all runs have the metric.
    """
    for run in runs[1:]:
        if run.split_hash != runs[0].split_hash:
            raise DataError(
                f"{runs[0].folder} and {run.folder} are of different splits ({runs[0].split_hash} and {run.split_hash}): "
                "they were evaluated on different rows and cannot be compared"
            )
    columns = _common_metrics(runs)
    metric = _default_metric(columns) if metric is None else metric
    if metric not in columns:
        raise ConfigError(
            f"--metric: `{metric}` is not a common metric of all {len(runs)} runs measured on the test part; {nearest(metric, columns)}"
        )
    tests = [_test(run, runs[0], metric, seed) for run in runs[1:]]
    corrected = holm([test.p_value for test in tests])
    differences = (
        RunDifference(run, test, p, _intervals(run, runs[0], columns, seed))
        for run, test, p in zip(runs[1:], tests, corrected, strict=True)
    )
    return RunComparison(runs[0], tuple(differences), metric, columns)


def verdicts(comparison: RunComparison) -> list[str]:
    """A sentence for each run, without its full stop."""
    return [_verdict(difference, comparison) for difference in comparison.differences]


def seed_caveat(comparison: RunComparison) -> str | None:
    """A caveat, without its full stop, if runs have only one seed; None if all have several."""
    single = [run.label for run in comparison.runs if run.n_seeds == 1]
    if not single:
        return None
    listed = "All runs" if len(single) == len(comparison.runs) else ", ".join(single)
    who = f"{listed} {'is' if len(single) == 1 else 'are'}"
    return f"{who} of one seed: intervals and p-values include the variance between users, but not between trainings (n_seeds=3)"


def _verdict(difference: RunDifference, comparison: RunComparison) -> str:
    test, first, n = difference.test, comparison.first.label, len(comparison.differences)
    relative = (test.ours - test.theirs) / test.theirs if test.theirs else None
    direction = "above" if test.mean > 0 else "below"
    size = f"{format_percent(abs(relative)).lstrip('+')} {direction}" if relative is not None else direction
    values = f"({format_value(test.ours)} against {format_value(test.theirs)})"
    if difference.is_found:
        said = f"{difference.run.label} is {size} {first} in {comparison.metric} {values}"
    else:
        said = f"{difference.run.label} does not differ significantly from {first} in {comparison.metric}" + (
            f": {size} {values}" if test.mean else f" {values}"
        )
    said += f", {format_p(difference.p_holm)}" + (f" after Holm over {n} comparisons" if n > 1 else "")
    if difference.p_holm < LEVEL and test.includes_zero:
        said += f", but the 95% interval that includes seeds is {test.low:+.4f} to {test.high:+.4f}"
    said += describe_direction(sign(comparison.metric, comparison.first.lower_is_better))
    said += f", d = {without_zero(test.d_z, 2)}" if test.d_z is not None else ""
    return (
        said + f", higher for {test.superiority:.0%} of {test.n_users:,} users (ties by half)" + _on_cold_items(difference.run, comparison)
    )


def _on_cold_items(run: MeasuredRun, comparison: RunComparison) -> str:
    ours, theirs = (one.slices.get("item_degree", {}).get("cold", {}) for one in (run, comparison.first))
    if comparison.metric not in ours or comparison.metric not in theirs:
        return ""
    n = int(ours.get("n", 0))
    values = f"{format_value(ours[comparison.metric])} against {format_value(theirs[comparison.metric])}"
    return f"; on cold items {values} ({n:,} to find, not tested)"


def _test(run: MeasuredRun, first: MeasuredRun, metric: str, seed: int) -> PairedTest:
    values = align_users(run.per_user, first.per_user, metric)
    if values[0].shape[1] < 2:
        raise DataError(f"{run.folder} and {first.folder}: expected at least two users common to both, found {values[0].shape[1]}")
    return paired_test(*values, seed)


def _intervals(run: MeasuredRun, first: MeasuredRun, columns: Sequence[str], seed: int) -> dict[str, tuple[float, float]]:
    return {name: bootstrap_interval(*align_users(run.per_user, first.per_user, name), seed) for name in columns}


def _common_metrics(runs: Sequence[MeasuredRun]) -> tuple[str, ...]:
    """The metrics that all runs have, in the order of the first run."""
    having = [set(run.per_user.columns) & {key.removeprefix("test/") for key in run.metrics} for run in runs]
    return tuple(name for name in runs[0].per_user.columns if name != USER_ID and all(name in names for names in having))


def _default_metric(columns: Sequence[str]) -> str:
    at = [name for name in columns if name.startswith("ndcg@")] or list(columns)
    if not at:
        raise DataError("the runs have no metric of the test part in common")
    return max(at, key=cutoff)
