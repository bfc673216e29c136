"""A leaderboard: many models on one dataset and split with several seeds, each compared with the first model.

Each seed determines the training and, if the split is random, the split. In each seed two models therefore use the same rows; differences
are taken per user within a seed, and intervals include the variance over users, splits and trainings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from mmrec.errors import DataError
from mmrec.evaluation.compare.against_baselines import describe_direction
from mmrec.evaluation.compare.runs import LEVEL
from mmrec.evaluation.compare.significance import PairedTest, Values, holm, mean_interval, paired_test_within_seeds
from mmrec.evaluation.format import format_p, format_value
from mmrec.metrics.direction import sign
from mmrec.types import USER_ID


@dataclass(frozen=True)
class MeasuredModel:
    """The results of a model in all of its runs."""

    name: str
    is_baseline: bool
    per_user: pl.DataFrame
    """`user_id, seed, <metric>, …` on the test parts."""
    fit_s: dict[int, float]
    """The seconds of training or fitting, by seed."""
    lists: dict[int, dict[str, float]]
    """Properties of the lists by seed: `coverage@20` and so on."""
    tuned: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The hyperparameters chosen by tuning, by seed."""
    over_rows: dict[int, dict[str, tuple[float, float, float]]] = field(default_factory=dict)
    """By seed, the metrics over all test rows, such as rmse, each with its 95% interval."""

    def has(self, metric: str) -> bool:
        """Whether a metric was measured."""
        return metric in self.per_user.columns or self.is_over_rows(metric)

    def is_over_rows(self, metric: str) -> bool:
        """Whether a metric is over all test rows in every run, rather than a mean over users."""
        return bool(self.over_rows) and all(metric in values for values in self.over_rows.values())


@dataclass(frozen=True)
class Measured:
    """The value of one metric for one model."""

    mean: float
    """The mean over seeds of means over users."""
    std: float | None
    """The sample standard deviation of the seeds' means; None for fewer than two."""
    low: float
    """The lower end of the 95% interval of the mean, over users and seeds."""
    high: float


@dataclass(frozen=True)
class Row:
    """The row of one model in a leaderboard."""

    model: MeasuredModel
    values: dict[str, Measured]
    coverage: float | None
    """The fraction of the catalogue in the lists, as long as runs describe them; mean over seeds."""
    fit_s: float | None
    """The median over seeds."""
    difference: PairedTest | None
    """This model minus the first one in the tested metric; None for the first model, and if they have no user in common."""
    p_holm: float | None
    """The p-value, corrected over all models of the section."""

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def is_found(self) -> bool:
        """Whether it differs significantly from the first model: p below 5% after correction, and the interval excludes zero."""
        return self.difference is not None and self.p_holm is not None and self.p_holm < LEVEL and not self.difference.includes_zero


@dataclass(frozen=True)
class Section:
    """The results on one dataset with one split."""

    data: str
    split: str
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    metric: str
    seeds: tuple[int, ...]
    n_users: int
    """The number of distinct users in the test parts."""
    lower_is_better: tuple[str, ...] = ()
    """The columns for which a task declares that lower is better."""

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def best_baseline(self) -> Row | None:
        """The best baseline in the tested metric: the hardest comparison."""
        return next((row for row in self.ranked if row.model.is_baseline), None)

    @property
    def ranked(self) -> list[Row]:
        """The rows by the tested metric, best first."""
        return sorted(self.rows, key=lambda row: -sign(self.metric, self.lower_is_better) * row.values[self.metric].mean)

    def best(self, column: str) -> float:
        """The best mean in a column."""
        return max((row.values[column].mean for row in self.rows), key=lambda mean: sign(column, self.lower_is_better) * mean)


def make_section(
    data: str,
    split: str,
    models: Sequence[MeasuredModel],
    columns: Sequence[str],
    metric: str,
    seed: int,
    lower_is_better: Sequence[str] = (),
) -> Section:
    """Evaluate all models, and test each against the first one, with Holm correction over the section.

    Args:
        data, split: the labels of the section.
        models: the models; a model that lacks some seeds is tested on those that it shares with the first.
        columns: the metrics to show.
        metric: the metric to test.
        seed: of the resampling.
        lower_is_better: metrics for which a task declares so.

    Raises:
        DataError: a model lacks values of a metric.
    """
    names = tuple(dict.fromkeys([*columns, metric]))
    for model in models:
        if missing := [name for name in names if not model.has(name)]:
            raise DataError(f"{data}, {split}: {model.name} was not measured in {', '.join(missing)}")
    tests = [_against(models[0], model, metric, seed) for model in models]
    corrected = iter(holm([test.p_value for test in tests if test is not None]))
    rows = tuple(
        Row(
            model,
            {name: _measure(model, name, seed) for name in names},
            _mean([value for values in model.lists.values() for name, value in values.items() if name.startswith("coverage@")]),
            float(np.median(list(model.fit_s.values()))) if model.fit_s else None,
            test,
            None if test is None else next(corrected),
        )
        for model, test in zip(models, tests, strict=True)
    )
    seeds = sorted({seed for model in models for seed in model.per_user["seed"].unique()})
    n_users = pl.concat([model.per_user.select(USER_ID) for model in models])[USER_ID].n_unique()
    return Section(data, split, rows, tuple(columns), metric, tuple(seeds), n_users, tuple(lower_is_better))


def describe_section(section: Section) -> str:
    """A sentence, without its full stop, that compares the first model with the best baseline."""
    first, best, metric = section.first, section.best_baseline, section.metric
    if best is None:
        return f"{first.name} reaches {format_value(first.values[metric].mean)} in {metric}, without baselines for comparison"
    ours, theirs, test = first.values[metric].mean, best.values[metric].mean, best.difference
    n = sum(row.model.is_baseline for row in section.rows)
    which = f"{best.name}, the best of {n} baselines" if n > 1 else f"{best.name}, the only baseline"
    both = f"{format_value(ours)} against {format_value(theirs)}"
    if not theirs:
        return f"{first.name} reaches {format_value(ours)} in {metric}, where every baseline is at zero"
    direction = describe_direction(sign(metric, section.lower_is_better))
    size = "level with" if ours == theirs else f"{abs(ours / theirs - 1):.1%} {'above' if ours > theirs else 'below'}"
    if test is None or best.p_holm is None:
        return f"{first.name} is {size} {which}, in {metric} ({both}){direction}"
    said = f"95% interval of the difference {-test.high:+.4f} to {-test.low:+.4f}, {format_p(best.p_holm)} after Holm".replace("-", "−")
    told = "" if best.is_found else ", which is not significant with these users and seeds"
    return f"{first.name} is {size} {which}, in {metric} ({both}; {said}){direction}{told}"


def _against(first: MeasuredModel, model: MeasuredModel, metric: str, seed: int) -> PairedTest | None:
    if model is first:
        return None
    ours, theirs = _aligned([model, first], metric)
    return paired_test_within_seeds(ours, theirs, seed) if ours.size else None


def _measure(model: MeasuredModel, metric: str, seed: int) -> Measured:
    if model.is_over_rows(metric):  # the mean of the runs and of their intervals, which is cautious where runs are independent
        runs = np.array([values[metric] for values in model.over_rows.values()])
        std = float(runs[:, 0].std(ddof=1)) if len(runs) > 1 else None
        mean, low, high = runs.mean(axis=0).tolist()
        return Measured(mean, std, low, high)
    (values,) = _aligned([model], metric)
    by_seed = np.nanmean(values, axis=1)
    low, high = mean_interval(values, seed)
    return Measured(float(by_seed.mean()), float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None, low, high)


def _aligned(models: Sequence[MeasuredModel], metric: str) -> list[Values]:
    """A matrix of seeds by users for each model, over the seeds and (seed, user) pairs that all share; NaN for missing pairs."""
    keys = ["seed", USER_ID]
    tables = [model.per_user.select(*keys, metric).drop_nulls() for model in models]
    common = tables[0].select(keys)
    for table in tables[1:]:
        common = common.join(table.select(keys), on=keys, how="semi")
    joined = [common.join(table, on=keys) for table in tables]
    wide = [table.pivot("seed", index=USER_ID, values=metric).sort(USER_ID).drop(USER_ID) for table in joined]
    filled = [frame.select(sorted(frame.columns)).cast(pl.Float64).fill_null(float("nan")) for frame in wide]
    return [frame.to_numpy().T.astype(np.float64, copy=False) for frame in filled]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
