"""Write `compare.html`, a self-contained page that compares several runs."""

from pathlib import Path

from markupsafe import Markup

from mmrec.charts.figures import Estimate, Grid, forest_plot, grouped_bars, groups_fit
from mmrec.evaluation.compare.runs import RunComparison, RunDifference, seed_caveat, verdicts
from mmrec.evaluation.pages.render import render
from mmrec.evaluation.pages.run_slices import SLICES, caption_of, slice_grid
from mmrec.evaluation.pages.terminal import difference_cells
from mmrec.files.storage import write_text


def write_comparison(target: Path, comparison: RunComparison) -> None:
    """Write the page of a comparison to `target`."""
    context = {
        "title": f"Comparison of {len(comparison.runs)} runs in {comparison.metric}",
        "comparison": comparison,
        "verdicts": verdicts(comparison),
        "caveat": seed_caveat(comparison),
        "forest": _forest(comparison),
        "tests": [(difference, difference_cells(difference)) for difference in comparison.differences],
        "rows": [(difference.run, _cells(difference, comparison)) for difference in comparison.differences],
        "slices": _slices(comparison),
    }
    write_text(target, render("comparison.html.j2", context))


def _forest(comparison: RunComparison) -> Markup:
    estimates = [Estimate(d.run.label, d.test.mean, d.test.low, d.test.high) for d in comparison.differences]
    label = f"Difference in {comparison.metric} to {comparison.first.label}, with 95% intervals"
    return forest_plot(label, estimates, f"difference in {comparison.metric} to the first run, 95% interval")


def _cells(difference: RunDifference, comparison: RunComparison) -> list[tuple[float, float | None, tuple[float, float]]]:
    """For each column: the value, its relative difference to the first run, and the interval of the absolute difference."""
    cells = []
    for name in comparison.columns:
        value, base = (run.metrics[f"test/{name}"] for run in (difference.run, comparison.first))
        cells.append((value, (value - base) / base if base else None, difference.intervals[name]))
    return cells


def _slices(comparison: RunComparison) -> list[tuple[str, str, Grid, Markup]]:
    """Name, caption, numbers and chart of each kind of slice that all runs have, in the comparison's metric."""
    found = []
    for kind in dict.fromkeys([*SLICES, *comparison.first.slices]):
        models = {run.label: run.slices.get(kind, {}) for run in comparison.runs}
        if not all(any(comparison.metric in group for group in groups.values()) for groups in models.values()):
            continue
        grid, (name, caption) = slice_grid(models, comparison.metric), caption_of(kind, "")
        chart = grouped_bars(f"{comparison.metric} by {name}", grid, name, f"test {comparison.metric}")
        found.append((name, caption, grid, chart if groups_fit(grid.groups) else Markup("")))
    return found
