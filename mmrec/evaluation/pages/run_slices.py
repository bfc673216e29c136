"""The section of the report on slices of users and items, with charts, numbers and tests against the best baseline."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Grid, grouped_bars, groups_fit
from mmrec.evaluation.compare.against_baselines import charted_models, cutoffs
from mmrec.evaluation.compare.runs import LEVEL
from mmrec.evaluation.measure.slices import ITEM_DEGREE, USER_DEGREE
from mmrec.evaluation.measure.user_groups import RECENCY

CHARTED = ("ndcg", "recall")
ROW_METRICS = ("rmse", "mae", "auc", "log_loss")
"""Of tasks that measure rows; the first two of those that a run has are shown."""
SLICES = {
    ITEM_DEGREE: (
        "item degree",
        "Only items of the group count; cold items have no training interactions. n: number of held-out rows.",
    ),
    USER_DEGREE: (
        "user degree",
        "Users in three groups by their number of training interactions; cold users have none. n: number of users.",
    ),
    RECENCY: (
        "time since the last interaction",
        "From a user's last training interaction to the first test interaction; overlap: training extends beyond it. n: number of users.",
    ),
}
COLUMN_CAPTION = "A column of the users table. n: number of users."


@dataclass(frozen=True)
class SliceTest:
    """The test of the trained model against the best baseline in one group."""

    difference: float
    p_holm: float
    """Corrected over all groups of all slices."""

    @property
    def is_found(self) -> bool:
        return self.p_holm < LEVEL


@dataclass(frozen=True)
class SliceView:
    """One kind of slice: a chart per metric, if the groups fit on it, and the numbers."""

    name: str
    caption: str
    charts: list[Markup]
    grids: dict[str, Grid]
    tested: str
    """The metric of the tests, such as `ndcg@20`; empty if there are none."""
    baseline: str
    tests: list[SliceTest | None]
    """By group; None if the group is too small."""


def slice_views(metrics: dict[str, Any]) -> list[SliceView]:
    """Return all kinds of slices of a run with all models; columns of the users table come last."""
    slices = {model: measured for model, measured in metrics.get("slices", {}).items() if model in metrics["models"]}
    kinds = dict.fromkeys([*SLICES, *(kind for measured in slices.values() for kind in measured)])
    views = []
    for kind in kinds:
        having = {model: measured[kind] for model, measured in slices.items() if measured.get(kind)}
        if having:
            views.append(_view(having, kind, metrics.get("slice_tests", {}), charted_models(metrics)))
    return views


def describe_slice_tests(metrics: dict[str, Any]) -> str:
    """Describe in which groups the trained model is better or worse than the best baseline, without a full stop; empty without tests."""
    found = metrics.get("slice_tests")
    if not found or not found["groups"]:
        return ""
    tests = {_in_words(kind, group): _test(t) for kind, groups in found["groups"].items() for group, t in groups.items()}
    better = [name for name, test in tests.items() if test.is_found and test.difference > 0]
    worse = [name for name, test in tests.items() if test.is_found and test.difference < 0]
    rest = len(tests) - len(better) - len(worse)
    parts = [f"{word} for {_listed(names)}" for word, names in (("better", better), ("worse", worse)) if names]
    if rest:
        others = "the other " if parts else "all "
        parts.append(f"no significant difference for {others}{rest} group{'s' if rest > 1 else ''}")
    return f"Against {found['baseline']}, the best baseline in {found['metric']}: {'; '.join(parts)}"


def slice_grid(models: dict[str, dict[str, Any]], metric: str) -> Grid:
    """Return the values of one kind of slice by group, in the order of the first model, and model."""
    groups = list(next(iter(models.values())))
    values = [[_float(buckets.get(group, {}).get(metric)) for group in groups] for buckets in models.values()]
    sizes = [int(next(iter(models.values()))[group].get("n", 0)) for group in groups]
    intervals = [[_interval(buckets.get(group, {}), metric) for group in groups] for buckets in models.values()]
    return Grid(groups, list(models), values, sizes, intervals)


def caption_of(kind: str, otherwise: str = COLUMN_CAPTION) -> tuple[str, str]:
    """Return the name and the caption of a kind of slice."""
    return SLICES.get(kind, (kind.removeprefix("users."), otherwise))


def _view(models: dict[str, dict[str, Any]], kind: str, found: dict[str, Any], charted: list[str]) -> SliceView:
    name, caption = caption_of(kind)
    measured = {name for groups in models.values() for bucket in groups.values() for name in bucket}
    shown = [f"{name}@{k}" for name in CHARTED for k in cutoffs(measured)[-1:]] or [name for name in ROW_METRICS if name in measured][:2]
    grids = {metric: slice_grid(models, metric) for metric in shown}
    grids = {metric: grid for metric, grid in grids.items() if any(v is not None for row in grid.values for v in row)}
    charts = [
        grouped_bars(f"{metric} by {name}", grid.of(charted), name, f"test {metric}")
        for metric, grid in grids.items()
        if groups_fit(grid.groups)
    ]
    tested = found.get("groups", {}).get(kind, {})
    tests = [_test(tested[group]) if group in tested else None for group in next(iter(models.values()))] if tested else []
    return SliceView(name, caption, charts, grids, found["metric"] if tests else "", found.get("baseline", ""), tests)


def _test(values: dict[str, float]) -> SliceTest:
    return SliceTest(values["difference"], values["p_holm"])


def _in_words(kind: str, group: str) -> str:
    """The name of a group, such as `cold items`, `users with many interactions` or `age 18–25`."""
    if kind == ITEM_DEGREE:
        return f"{group} items"
    if kind == USER_DEGREE:
        return "cold users" if group == "cold" else f"users with {group} interactions"
    return f"{kind.removeprefix('users.')} {group}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _float(value: float | int | None) -> float | None:
    return None if value is None else float(value)


def _interval(bucket: dict[str, Any], metric: str) -> tuple[float, float] | None:
    ends = bucket.get("intervals", {}).get(metric)
    return (float(ends[0]), float(ends[1])) if ends else None
