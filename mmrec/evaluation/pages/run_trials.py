"""The part of a run's report about a search for settings: the tried ones against the validation metric."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from markupsafe import Markup

from mmrec.charts.figures import Line, line_chart
from mmrec.metrics.direction import sign


class TrialRow(NamedTuple):
    """A row of the table of trials."""

    number: int
    value: float
    n_epochs: int
    note: str
    setting: str


class TrialsView(NamedTuple):
    """The charts and the table of a search."""

    charts: list[Markup]
    rows: list[TrialRow]
    """The best one first."""


def trials_view(found: dict[str, Any] | None, lower_is_better: Sequence[str] = ()) -> TrialsView | None:
    """Charts of the metric by trial and by each setting, and a table of all trials; None for a run without a search."""
    if found is None:
        return None
    trials = [(n, one) for n, one in enumerate(found["trials"], 1) if one["value"] is not None and math.isfinite(one["value"])]
    if not trials:
        return None
    metric = found.get("metric", "validation metric")
    better = max if sign(metric, lower_is_better) > 0 else min
    values = [(float(n), float(one["value"])) for n, one in trials]
    best = list(zip((n for n, _ in values), accumulate((value for _, value in values), better), strict=True))
    charts = [line_chart(f"{metric} by trial", [Line("trial", values), Line("best so far", best)], "trial", metric)]
    for key in trials[0][1]["setting"]:
        points = [(one["setting"][key], float(one["value"])) for _, one in trials]
        if all(isinstance(x, int | float) and not isinstance(x, bool) for x, _ in points) and len({x for x, _ in points}) > 1:
            line = Line("trial", sorted((float(x), y) for x, y in points))
            charts.append(line_chart(f"{metric} by {key}", [line], key, metric))
    rows = [TrialRow(n, float(one["value"]), len(one.get("epochs", ())), _note(one), _setting(one)) for n, one in trials]
    return TrialsView([chart for chart in charts if chart], sorted(rows, key=lambda row: row.value, reverse=better is max))


def _note(trial: dict[str, Any]) -> str:
    return "stopped early" if trial.get("pruned") else ""


def _setting(trial: dict[str, Any]) -> str:
    values = trial["setting"].items()
    return ", ".join(f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}" for key, value in values)
