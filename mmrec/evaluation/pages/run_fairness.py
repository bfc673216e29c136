"""The report's sections on fairness and calibration: what groups of users get, and what groups of items are shown beside what is due."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Grid, deviation_chart, grouped_bars, groups_fit
from mmrec.evaluation.compare.against_baselines import charted_models
from mmrec.evaluation.measure.fairness import CATALOGUE, MERIT
from mmrec.evaluation.measure.slices import ITEM_DEGREE
from mmrec.evaluation.pages.run_slices import caption_of

_DUE = {CATALOGUE: "share of the catalogue", MERIT: "share of training"}


@dataclass(frozen=True)
class UserGap:
    """How far apart the groups of one kind are."""

    gap: float
    worst: str
    best: str


@dataclass(frozen=True)
class ExposureView:
    """One way of grouping the items."""

    name: str
    chart: Markup
    """Empty where the groups do not fit side by side."""
    groups: list[str]
    due: dict[str, list[float | None]]
    """What each group would have coming, by what is said to be due."""
    exposure: dict[str, list[tuple[float | None, float | None]]]
    """By model, of each group: its share, and the ratio to the share of training."""
    disparities: dict[str, tuple[float | None, float | None]]
    """By model: from the shares of the catalogue, and of training."""


@dataclass(frozen=True)
class FairnessView:
    """Both sides of it."""

    metric: str
    kinds: list[str]
    gaps: dict[str, list[UserGap | None]]
    """By model, a kind each."""
    items: list[ExposureView]


@dataclass(frozen=True)
class CalibrationView:
    """One way of grouping the items: what users had in training beside what they are shown."""

    name: str
    chart: Markup
    grid: Grid
    profiles: list[float]


def fairness_view(metrics: dict[str, Any]) -> FairnessView | None:
    """None where the run has nothing on it."""
    found = metrics.get("fairness")
    if not found:
        return None
    users = {model: one["users"] for model, one in found["models"].items()}
    kinds = list(dict.fromkeys(kind for gaps in users.values() for kind in gaps))
    metric = next((name for gaps in users.values() for gap in gaps.values() for name in gap if "@" in name), "")
    gaps = {model: [_gap(of.get(kind), metric) for kind in kinds] for model, of in users.items()}
    items = [
        _exposure_view(kind, due, {model: one["items"][kind] for model, one in found["models"].items()}, charted_models(metrics))
        for kind, due in found["due"].items()
    ]
    return FairnessView(metric, [caption_of(kind)[0] for kind in kinds], gaps, items)


def calibration_views(metrics: dict[str, Any]) -> list[CalibrationView]:
    """One for every way of grouping the items; none where the run has nothing on it, as where no test user has training interactions."""
    views = []
    for kind, found in metrics.get("calibration", {}).items():
        groups = [name for name in found["profiles"] if found["profiles"][name] or any(of[name] for of in found["lists"].values())]
        if not groups:
            continue
        grid = Grid(groups, list(found["lists"]), [[of[name] for name in groups] for of in found["lists"].values()], [])
        profiles, name = [found["profiles"][group] for group in groups], _name(kind)
        shown = grid.of(charted_models(metrics))
        chart = deviation_chart(f"Share of lists beside share of profiles by {name}", shown, profiles, "share, mean over users")
        views.append(CalibrationView(name, chart, grid, profiles))
    return views


def _exposure_view(kind: str, due: dict[str, dict[str, Any]], models: dict[str, dict[str, Any]], charted: list[str]) -> ExposureView:
    groups, name = list(next(iter(due.values()))), _name(kind)
    owed = {_DUE[what]: [shares[group] for group in groups] for what, shares in due.items()}
    shown = {model: [one["exposure"][group] for group in groups] for model, one in models.items()}
    grid = Grid(groups, [*owed, *shown], [*owed.values(), *shown.values()], [])
    chart = grouped_bars(f"Share of the exposure by {name}", grid.of([*owed, *charted]), name, "share of the exposure", len(owed))
    exposure = {model: [(one["exposure"][group], one[f"{MERIT}_ratio"][group]) for group in groups] for model, one in models.items()}
    disparities = {model: (one[f"{CATALOGUE}_disparity"], one[f"{MERIT}_disparity"]) for model, one in models.items()}
    return ExposureView(name, chart if groups_fit(groups) else Markup(""), groups, owed, exposure, disparities)


def _gap(found: dict[str, Any] | None, metric: str) -> UserGap | None:
    return UserGap(found[metric], found["worst"], found["best"]) if found else None


def _name(kind: str) -> str:
    return "item degree" if kind == ITEM_DEGREE else kind.removeprefix("items.")
