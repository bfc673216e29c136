"""The sections of the report on fairness and calibration: metrics by user group, and exposure by item group relative to a reference."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Grid, deviation_chart, grouped_bars, groups_fit
from mmrec.evaluation.compare.against_baselines import charted_models
from mmrec.evaluation.measure.fairness import CATALOGUE, MERIT
from mmrec.evaluation.measure.slices import ITEM_DEGREE
from mmrec.evaluation.pages.run_slices import caption_of

_DUE = {CATALOGUE: "share of the catalogue", MERIT: "share of training interactions"}


@dataclass(frozen=True)
class UserGap:
    """The gap in a metric between the best and the worst group of users."""

    gap: float
    worst: str
    best: str


@dataclass(frozen=True)
class ExposureView:
    """The exposure of item groups by one attribute."""

    name: str
    chart: Markup
    """Empty if the groups do not fit on the axis."""
    groups: list[str]
    due: dict[str, list[float | None]]
    """The expected share of each group by reference: its share of the catalogue, or of the training interactions."""
    exposure: dict[str, list[tuple[float | None, float | None]]]
    """By model and group: the share of exposure, and its ratio to the share of training interactions."""
    disparities: dict[str, tuple[float | None, float | None]]
    """By model: the distances from the shares of the catalogue and of training interactions."""


@dataclass(frozen=True)
class FairnessView:
    """Fairness to users and to items."""

    metric: str
    kinds: list[str]
    gaps: dict[str, list[UserGap | None]]
    """By model and kind of user group."""
    items: list[ExposureView]


@dataclass(frozen=True)
class CalibrationView:
    """The calibration by one attribute of items: shares in users' training interactions and in their recommendations."""

    name: str
    chart: Markup
    grid: Grid
    profiles: list[float]


def fairness_view(metrics: dict[str, Any]) -> FairnessView | None:
    """Return the fairness of a run from the content of metrics.json; None if it was not measured."""
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
    """Return the calibration of a run by attribute; empty if it was not measured, e.g. if no test user has training interactions."""
    views = []
    for kind, found in metrics.get("calibration", {}).items():
        groups = [name for name in found["profiles"] if found["profiles"][name] or any(of[name] for of in found["lists"].values())]
        if not groups:
            continue
        grid = Grid(groups, list(found["lists"]), [[of[name] for name in groups] for of in found["lists"].values()], [])
        profiles, name = [found["profiles"][group] for group in groups], _name(kind)
        shown = grid.of(charted_models(metrics))
        chart = deviation_chart(f"Share in recommendations and in user profiles by {name}", shown, profiles, "share, mean over users")
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
