"""The report's section on a model of several tasks: each of them beside its baselines, and how they get along."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from mmrec.charts.figures import Line, line_chart
from mmrec.evaluation.compare.against_baselines import Cell, compare, headline
from mmrec.metrics.direction import sign

_LOSS, _WEIGHT, _COSINE = "train/loss_", "train/weight_", "train/cosine_"
_CHARTS = {
    _COSINE: ("Conflict: the cosine between the gradients of two tasks on the shared parameters", "cosine"),
    _WEIGHT: ("The weight of each task's loss", "weight"),
    _LOSS: ("The loss of each task in training", "loss"),
}


@dataclass(frozen=True)
class TaskRow:
    """One task of the model."""

    name: str
    page: str | None
    """The address of the report of the task; None for the task that this report is about."""
    metric: str
    is_lower_better: bool
    ours: Cell
    baseline: str
    """The best baseline; empty if there is none."""
    theirs: float | None


@dataclass(frozen=True)
class TasksView:
    """What the section shows."""

    rows: list[TaskRow]
    charts: list[Markup]


def tasks_view(metrics: dict[str, Any], run: dict[str, Any], curves: pl.DataFrame | None) -> TasksView | None:
    """Return the section of a run of several tasks; None for any other run."""
    if len(tasks := metrics.get("tasks") or {}) < 2:
        return None
    rows = [_row(name, values, None if name == run.get("task") else f"tasks/{name}/report.html") for name, values in tasks.items()]
    return TasksView(rows, [] if curves is None else _charts(curves))


def without_tasks(names: Sequence[str]) -> list[str]:
    """Return the logged metrics without those that this section shows, and of each task's metrics those that usually select."""
    known = (_LOSS, _WEIGHT, _COSINE)
    kept = [name for name in names if not name.startswith(known)]
    return [name for name in kept if name.count("/") < 2 or name.rpartition("/")[2] in ("ndcg@10", "rmse", "auc")]


def _row(name: str, values: dict[str, Any], page: str | None) -> TaskRow:
    metric = headline(values)
    comparison = compare(values, [metric])
    difference = comparison.differences[0]
    is_lower = sign(metric, values.get("lower_is_better", ())) < 0
    baseline, theirs = (difference.baseline, difference.theirs) if difference else ("", None)
    return TaskRow(name, page, metric, is_lower, comparison.rows[comparison.ours][0], baseline, theirs)


def _charts(curves: pl.DataFrame) -> list[Markup]:
    """A chart of each kind, with a line for each task or pair of tasks, the mean over seeds."""
    charts = []
    for prefix, (label, y_label) in _CHARTS.items():
        rows = curves.filter(pl.col("metric").str.starts_with(prefix)).drop_nulls("value")
        means = rows.group_by("metric", "epoch").agg(pl.col("value").mean()).sort("metric", "epoch")
        lines = [
            Line(name.removeprefix(prefix).replace("_", " "), [(float(epoch), value) for epoch, value in part["epoch", "value"].rows()])
            for (name,), part in means.group_by("metric", maintain_order=True)
        ]
        charts.append(line_chart(f"{label}, by epoch", lines, "epoch", y_label))
    return [chart for chart in charts if chart]
