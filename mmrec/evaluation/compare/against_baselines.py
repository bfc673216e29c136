"""The comparison of our model with the baselines, from which the console, the README and the report take their numbers.

The input is the content of a run's `metrics.json`; its first model is ours, all others are baselines.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

import polars as pl

from mmrec.evaluation.compare.significance import PairedTest, align_users, paired_test
from mmrec.evaluation.format import format_percent, format_value
from mmrec.metrics.direction import sign

MAX_CHARTED = 6


@dataclass(frozen=True)
class Cell:
    """The value of one metric for one model."""

    value: float | None
    """The mean over seeds; None if it was not measured."""
    std: float | None
    """The sample standard deviation over seeds; None for fewer than two."""
    interval: tuple[float, float] | None
    """The 95% confidence interval over users."""
    is_best: bool
    """Whether no other model is better; False if there is no other model."""


@dataclass(frozen=True)
class Difference:
    """The difference between our model and the best baseline in one metric."""

    ours: float
    theirs: float
    baseline: str
    sign: int = 1
    """-1 if lower values are better."""

    @property
    def relative(self) -> float | None:
        """(ours - theirs) / theirs; None if theirs is zero."""
        return (self.ours - self.theirs) / self.theirs if self.theirs else None


@dataclass(frozen=True)
class Comparison:
    """Models by metrics, ours first. `rows[model]` and `differences` are aligned with `columns`."""

    columns: tuple[str, ...]
    rows: dict[str, tuple[Cell, ...]]
    differences: tuple[Difference | None, ...]
    """None if our model or all baselines lack the metric."""

    @property
    def ours(self) -> str:
        return next(iter(self.rows))

    @property
    def baselines(self) -> tuple[str, ...]:
        return tuple(self.rows)[1:]


def metric_key(column: str) -> str:
    """The key in `metrics.json`: a name without part, such as `ndcg@20`, refers to the test part."""
    return column if "/" in column else f"test/{column}"


def cutoff(name: str) -> int:
    """The k of `ndcg@20`; 0 for a metric without a cutoff, such as `auc`."""
    return int(name.rpartition("@")[2]) if "@" in name else 0


def cutoffs(names: Iterable[str]) -> list[int]:
    """The distinct cutoffs of metrics, ascending."""
    return sorted({cutoff(name) for name in names} - {0})


def compare(metrics: dict[str, Any], columns: Sequence[str]) -> Comparison:
    """Arrange the content of `metrics.json` by the given columns, `recall@20` (test) or `val/recall@20`."""
    rows: dict[str, list[Cell]] = {model: [] for model in metrics["models"]}
    ours = next(iter(rows))
    for key in map(metric_key, columns):
        values = {model: _number(measured.get(key)) for model, measured in metrics["models"].items()}
        better = sign(key, metrics.get("lower_is_better", ()))
        best = max((v for v in values.values() if v is not None), key=lambda v: better * v, default=None)
        for model, value in values.items():
            std = _std_over_seeds(metrics, key) if model == ours and value is not None else None
            low_high = metrics.get("confidence", {}).get(model, {}).get(key)
            interval = (float(low_high[0]), float(low_high[1])) if low_high else None
            rows[model].append(Cell(value, std, interval, value is not None and value == best and len(values) > 1))
    signs = [sign(column, metrics.get("lower_is_better", ())) for column in columns]
    differences = tuple(_difference({model: cells[c].value for model, cells in rows.items()}, better) for c, better in enumerate(signs))
    return Comparison(tuple(columns), {model: tuple(cells) for model, cells in rows.items()}, differences)


def best_baseline(metrics: dict[str, Any], column: str) -> str | None:
    """The best baseline in a metric; None if our model or all baselines lack it."""
    (difference,) = compare(metrics, [column]).differences
    return difference.baseline if difference else None


def headlines(names: Iterable[str]) -> list[str]:
    """The metrics that tables show first: recall and ndcg by cutoff for ranking tasks, else all in the given order."""
    found = list(names)
    ranked = [name for name in found if name.startswith(("recall@", "ndcg@"))]
    return sorted(sorted(ranked, reverse=True), key=cutoff) or found


def headline(metrics: dict[str, Any]) -> str:
    """The main metric of a run: ndcg at the largest cutoff on the test part, such as `ndcg@20`.

    For tasks without cutoffs, it is the first metric.
    """
    ours: dict[str, Any] = next(iter(metrics["models"].values()))
    tested = [name.removeprefix("test/") for name in ours if name.startswith("test/")]
    if tested and not cutoffs(tested):
        return tested[0]
    return max((name for name in tested if name.startswith("ndcg@")), key=cutoff, default="ndcg")


def charted_models(metrics: dict[str, Any]) -> list[str]:
    """Our model and the five best baselines by `headline`: the bars of more models would be indistinguishable."""
    ours, *baselines = metrics["models"]
    key = metric_key(headline(metrics))
    better = sign(key, metrics.get("lower_is_better", ()))
    values = {name: metrics["models"][name].get(key) for name in baselines}
    ranked = sorted(baselines, key=lambda name: math.inf if values[name] is None else -better * values[name])
    return [ours, *ranked[: MAX_CHARTED - 1]]


def paired_difference(per_user: pl.DataFrame, ours: str, baseline: str, metric: str, seed: int) -> PairedTest | None:
    """The paired test of our model against a baseline over the users that all seeds of both share; None for fewer than two users.

    Args:
        per_user: `user_id, model, seed, <metric>, …`.
        ours, baseline: names of models.
        metric: the metric to test.
        seed: of the resampling.
    """
    of_ours, of_baseline = (per_user.filter(pl.col("model") == model) for model in (ours, baseline))
    values = align_users(of_ours, of_baseline, metric)
    return paired_test(*values, seed) if values[0].shape[1] > 1 else None


def describe_standing(comparison: Comparison, column: str) -> str:
    """A sentence, without its full stop, that compares our model with the best baseline in one of the comparison's columns."""
    c = comparison.columns.index(column)
    name, difference = metric_key(column).replace("/", " "), comparison.differences[c]
    value = comparison.rows[comparison.ours][c].value
    if value is None:
        return f"{comparison.ours} was not measured in {name}"
    if difference is None:
        return f"{comparison.ours} reaches {format_value(value)} in {name}, without baselines for comparison"
    if difference.relative is None:
        return f"{comparison.ours} reaches {format_value(value)} in {name}, where every baseline is at zero"
    n = len(comparison.baselines)
    which = f"{difference.baseline}, " + (f"the best of {n} baselines" if n > 1 else "the only baseline")
    both = f"({format_value(value)} against {format_value(difference.theirs)})"
    return f"{comparison.ours} is {_in_words(difference.relative)} {which}, in {name} {both}{describe_direction(difference.sign)}"


def describe_direction(sign: int) -> str:
    """The addition to a sentence if lower values are better; higher is taken for granted."""
    return "" if sign > 0 else "; lower is better"


def _number(value: float | int | None) -> float | None:
    return None if value is None else float(value)


def _std_over_seeds(metrics: dict[str, Any], key: str) -> float | None:
    values = [measured[key] for measured in metrics.get("seeds", {}).values() if measured.get(key) is not None]
    return float(stdev(values)) if len(values) > 1 else None


def _difference(values: dict[str, float | None], better: int) -> Difference | None:
    (_, ours), *others = values.items()
    measured = [(value, model) for model, value in others if value is not None]
    if ours is None or not measured:
        return None
    theirs, baseline = max(measured, key=lambda pair: better * pair[0])
    return Difference(ours, theirs, baseline, better)


def _in_words(relative: float) -> str:
    if format_percent(relative) == "0.0%":
        return "level with"
    return f"{abs(relative):.1%} {'above' if relative > 0 else 'below'}"
