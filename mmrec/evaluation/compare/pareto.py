"""The Pareto front of models in accuracy, fitting time and coverage, as a chart and a sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mmrec.charts.scatter import Dot, format_seconds, scatter
from mmrec.evaluation.compare.against_baselines import metric_key
from mmrec.evaluation.format import format_value
from mmrec.metrics.direction import sign


@dataclass(frozen=True)
class Standing:
    """The accuracy, fitting time and coverage of a model."""

    name: str
    accuracy: float
    """Higher is better."""
    fit_s: float
    """Seconds; lower is better."""
    coverage: float
    """The fraction of the catalogue in its lists, 0 to 1; higher is better."""

    def dominates(self, other: "Standing") -> bool:
        """Whether it is not worse in any of the three, and better in at least one."""
        ours, theirs = ((s.accuracy, -s.fit_s, s.coverage) for s in (self, other))
        return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class ParetoView:
    """A chart with a sentence about it."""

    chart: Markup
    sentence: str
    standings: Sequence[Standing]
    """In the order of the chart's models."""
    front: set[str]


def pareto_front(standings: Sequence[Standing]) -> set[str]:
    """The names of models that no other one dominates (Pareto 1906, as in Kung, Luccio & Preparata 1975)."""
    return {s.name for s in standings if not any(other.dominates(s) for other in standings)}


def pareto_view(metrics: dict[str, Any], run: dict[str, Any], metric: str) -> ParetoView | None:
    """The Pareto front of the models in a run, from its `metrics.json` and `run.json`, for a test metric such as `ndcg@20`.

    None if fewer than two models have all three values (earlier runs lack `fit_s`, and lists may not be described at the metric's cutoff),
    or if lower values of the metric are better, since the chart has better values higher up.
    """
    if sign(metric, metrics.get("lower_is_better", ())) < 0:
        return None
    return view_standings(standings_of(metrics, run, metric), metric, next(iter(metrics["models"])))


def view_standings(standings: Sequence[Standing], metric: str, ours: str | None = None) -> ParetoView | None:
    """The Pareto front of any standings; the sentence adds the position of `ours`. None for fewer than two models."""
    if len(standings) < 2:
        return None
    front = pareto_front(standings)
    dots = [Dot(s.name, s.fit_s, s.accuracy, s.coverage, s.name in front, _title(s, metric)) for s in standings]
    label = f"{metric} by the time to fit, a dot for each model, larger with coverage"
    return ParetoView(scatter(label, dots, "time to fit once", f"test {metric}"), describe_front(standings, ours), standings, front)


def standings_of(metrics: dict[str, Any], run: dict[str, Any], metric: str) -> list[Standing]:
    """The models of a run that have accuracy, seconds and coverage, in the order of `metrics.json`."""
    coverage_key, found = f"coverage@{metric.rpartition('@')[2]}", []
    for name, measured in metrics["models"].items():
        coverage = metrics.get("lists", {}).get(name, {}).get(coverage_key)
        values = (measured.get(metric_key(metric)), run.get("fit_s", {}).get(name), coverage)
        if all(value is not None and math.isfinite(value) for value in values):
            found.append(Standing(name, *map(float, values)))
    return found


def describe_front(standings: Sequence[Standing], ours: str | None = None) -> str:
    """A sentence that names the models on the front, most accurate first, and those that dominate `ours`."""
    front = pareto_front(standings)
    ranked = sorted((s for s in standings if s.name in front), key=lambda s: -s.accuracy)
    verb = "is" if len(ranked) == 1 else "are"
    text = f"{len(ranked)} of {len(standings)} models {verb} on the Pareto front, which no other model dominates: {_listed(ranked)}."
    own = next((s for s in standings if s.name == ours), None)
    if own is None:
        return text
    if own in ranked:
        return f"{text} {ours} is on it."
    above = [s for s in ranked if s.dominates(own)]
    verb = "dominates" if len(above) == 1 else "dominate"
    return f"{text} {ours} is not on it: {_listed(above)} {verb} it, with at least the same accuracy, time and coverage."


def _listed(standings: Sequence[Standing]) -> str:
    *others, last = (s.name for s in standings)
    return f"{', '.join(others)} and {last}" if others else last


def _title(standing: Standing, metric: str) -> str:
    return (
        f"{standing.name}: {metric} {format_value(standing.accuracy)}, {format_seconds(standing.fit_s)}, "
        f"{standing.coverage:.1%} of the catalogue"
    )
