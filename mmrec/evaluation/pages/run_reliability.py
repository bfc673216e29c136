"""The report's chart of reliability: of what was predicted with some probability, how much happened."""

from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Line, line_chart
from mmrec.evaluation.compare.against_baselines import best_baseline, headline

CALIBRATED = "as predicted"


def reliability_chart(metrics: dict[str, Any]) -> Markup:
    """Return a line each for our model, the best baseline and perfect agreement, in percent; empty for a run that ranks."""
    found, ours = metrics.get("reliability", {}), next(iter(metrics["models"]))
    if ours not in found:
        return Markup("")
    names = [ours, *(name for name in [best_baseline(metrics, headline(metrics))] if name is not None and name in found)]
    lines = [Line(name, [(100 * one["predicted"], 100 * one["observed"]) for one in found[name]]) for name in names]
    lines.append(Line(CALIBRATED, [(0.0, 0.0), (100.0, 100.0)]))
    return line_chart("What happened of what was predicted, in ten parts of equally many events", lines, "predicted, %", "happened, %")
