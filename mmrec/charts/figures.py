"""Charts of measured values: line charts, grouped bars, stacked horizontal bars, dot plots, forest plots and deviations from references.

Series take the colours of the page in order. A click on a series in the legend hides or shows it, and a double click shows all series.
Every mark has a tooltip.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
from markupsafe import Markup

from mmrec.charts.embed import Chart, Finished, as_figure

Row = dict[str, str | float | bool | None]

MAX_POINTS, MAX_DOTS = 200, 40
PLACE = "width_of_the_place"  # a parameter that the page sets
_SERIES = ("#0068b3", "#c8530a", "#007f5c", "#a83b8e", "#8f6b00", "#646d7a", "#8a2451", "#3c7f93")
COLOURS = {f"c{i}": value for i, value in enumerate(_SERIES)}
DUE = {"due0": "#9aa1ab", "due1": "#c9ced6"}
HEIGHT, ROW_HEIGHT, LANE, LANES_GAP, FOREST_ROW, DOT_ROW = 190, 36, 10, 18, 44, 24
LONGEST_BESIDE = 26  # characters of a name
WIDTH, CHARACTER, LEGEND_CHARACTER, LEGEND_SYMBOL, LEGEND_NAME = 430, 6.8, 5.8, 32, 26


@dataclass(frozen=True)
class Line:
    """A named series of points (x, y) in ascending order of x."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Grid:
    """A table of values by group and series, which charts show and pages print."""

    groups: list[str]
    series: list[str]
    values: list[list[float | None]]
    """`values[s][g]`; None where nothing was measured."""
    sizes: list[int]
    """The number of items, users, … in each group; empty if unknown."""
    intervals: list[list[tuple[float, float] | None]] | None = None
    """95% intervals of the values."""

    def of(self, series: Collection[str]) -> "Grid":
        """The grid restricted to some series, in their original order."""
        kept = [s for s, name in enumerate(self.series) if name in series]
        intervals = None if self.intervals is None else [self.intervals[s] for s in kept]
        return Grid(self.groups, [self.series[s] for s in kept], [self.values[s] for s in kept], self.sizes, intervals)

    @property
    def labels(self) -> list[str]:
        """The names of the groups, with their sizes on a second line if known."""
        if not self.sizes:
            return list(self.groups)
        return [f"{group}\nn = {size:,}" for group, size in zip(self.groups, self.sizes, strict=True)]

    def rows(self) -> list[Row]:
        """One row per measured value, as chart data."""
        rows: list[Row] = []
        for g, label in enumerate(self.labels):
            for s, name in enumerate(self.series):
                if (value := self.values[s][g]) is None:
                    continue
                row: Row = {"series": name, "order": s, "group": self.groups[g], "label": label, "value": value}
                if self.intervals and (ends := self.intervals[s][g]):
                    row |= _interval(ends, ".4f")
                rows.append(row)
        return rows


@dataclass(frozen=True)
class Estimate:
    """An estimate with its confidence interval."""

    name: str
    mean: float
    low: float
    high: float


def line_chart(label: str, lines: Sequence[Line], x_label: str, y_label: str, mark_highest: bool = False) -> Markup:
    """Draw a line chart, optionally with a ring at the maximum of each line.

    Non-finite values are left out. Returns empty markup if no values are left.
    """
    finite = [Line(line.name, downsample([p for p in line.points if math.isfinite(p[1])])) for line in lines]
    rows: list[Row] = []
    for line in finite:
        highest = max((y for _, y in line.points), default=None)
        at = next((x for x, y in line.points if y == highest), None)
        rows += [{"series": line.name, "x": x, "y": y, "is_highest": mark_highest and x == at} for x, y in line.points]
    if not rows:
        return Markup("")
    names, shown = [line.name for line in finite], shown_series([line.name for line in finite])
    x = alt.X(
        "x:Q", title=x_label, scale=alt.Scale(nice=False, zero=False, padding=8), axis=alt.Axis(format="d", tickMinStep=1, grid=False)
    )
    y, colour = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=False)), series_colour(names)
    tooltip = [alt.Tooltip("series:N", title="line"), alt.Tooltip("x:Q", title=x_label), alt.Tooltip("y:Q", title=y_label, format=".4f")]
    base = chart_of(rows).transform_filter(shown).encode(x=x, y=y, color=colour)
    size = 28 if max(len(line.points) for line in finite) <= MAX_DOTS else 0
    layers: list[Chart] = [base.mark_line(), base.mark_circle(size=size, opacity=1).encode(tooltip=tooltip)]
    if mark_highest:
        ring = base.transform_filter("datum.is_highest").mark_point(size=150, filled=False, strokeWidth=1.8)
        layers.append(ring.encode(tooltip=tooltip))
    return as_figure(with_legend(layered(layers, y_label), shown), label)


def grouped_bars(label: str, grid: Grid, x_label: str, y_label: str, n_due: int = 0) -> Markup:
    """Draw vertical bars in clusters, one cluster per group and one bar per series.

    A zero is a thin line, and a missing value a gap. Values with an interval have whiskers. The first `n_due` series are references for the
    others, such as the expected shares, and are grey.
    """
    shown = shown_series(grid.series)
    base = chart_of(grid.rows()).transform_filter(shown)
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')", labelOverlap=False, labelLimit=120, ticks=False)
    x = alt.X("label:N", title=x_label, sort=None, axis=axis, scale=alt.Scale(domain=grid.labels, paddingInner=0.16, paddingOuter=0.08))
    offset = alt.XOffset("series:N", sort=grid.series, scale=alt.Scale(paddingInner=0.08))
    tooltip = _grid_tooltip(y_label, ".4f", grid.intervals is not None)
    colour = series_colour(grid.series, n_due)
    # The outline keeps bars of height zero visible.
    bars = base.mark_bar(strokeWidth=1)
    bars = bars.encode(
        x=x, xOffset=offset, y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=5)), color=colour, stroke=colour, tooltip=tooltip
    )
    layers: list[Chart] = [bars]
    if grid.intervals is not None:
        whiskers = base.transform_filter("isValid(datum.high)").mark_rule(style="whisker")
        layers.append(whiskers.encode(x=x, xOffset=offset, y=alt.Y("low:Q"), y2="high:Q", tooltip=tooltip))
    return as_figure(with_legend(layered(layers, y_label), shown, n_due), label)


def groups_fit(groups: Sequence[str]) -> bool:
    """Whether the names of the groups fit on the axis of `grouped_bars`, by an estimate of the text width."""
    return CHARACTER * max(map(len, groups), default=0) * len(groups) <= WIDTH


def stacked_bars(label: str, grid: Grid, x_label: str) -> Markup:
    """Draw a stacked horizontal bar for each group. The values are fractions, with a sum over the series of at most 1."""
    shown = shown_series(grid.series)
    base = chart_of(grid.rows()).transform_filter(shown)
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X("value:Q", title=None, stack="zero", axis=axis, scale=alt.Scale(domain=[0, 1]))
    y, order = _group_rows(grid, 0.25), alt.Order("order:Q")
    bars = base.mark_bar().encode(
        x=x, y=y, order=order, color=series_colour(grid.series), tooltip=_grid_tooltip("share", ".1%", has_intervals=False)
    )
    texts = base.transform_calculate(text="datum.value < 0.09 ? '' : format(datum.value, '.0%')").mark_text(style="onfill")
    texts = texts.encode(x=alt.X("value:Q", stack="zero", bandPosition=0.5), y=y, order=order, detail="series:N", text="text:N")
    height = max(len(grid.groups), 1) * ROW_HEIGHT
    return as_figure(with_legend(layered([bars, texts], x_label, height), shown), label)


def deviation_chart(label: str, grid: Grid, due: Sequence[float], x_label: str) -> Markup:
    """Draw the deviations of series from a reference: in each group, a vertical line at its value in `due`, and a dot for each series."""
    row_height, by_group = LANE * len(grid.series) + LANES_GAP, dict(zip(grid.groups, due, strict=True))
    shown = shown_series(grid.series)
    rows: list[Row] = [row | {"due": by_group[str(row["group"])]} for row in grid.rows()]
    y, offset = _group_rows(grid, 0.2), alt.YOffset("series:N", sort=grid.series)
    value = alt.X("value:Q", title=None, axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(zero=True))
    tooltip = [*_grid_tooltip("share", ".1%", has_intervals=False), alt.Tooltip("due:Q", title="in training", format=".1%")]
    base = chart_of(rows).transform_filter(shown).encode(y=y, yOffset=offset, color=series_colour(grid.series), tooltip=tooltip)
    marks: list[Row] = [
        {"group": group, "label": name, "due": share} for group, name, share in zip(grid.groups, grid.labels, due, strict=True)
    ]
    own = [alt.Tooltip("group:N"), alt.Tooltip("due:Q", title="in training", format=".1%")]
    due_marks = (
        chart_of(marks).mark_tick(style="due", orient="vertical", thickness=2, size=row_height - 8).encode(x="due:Q", y=y, tooltip=own)
    )
    layers: list[Chart] = [
        base.mark_rule(strokeWidth=1.8).encode(x=value, x2="due:Q"),
        base.mark_circle(size=46, opacity=1).encode(x=value),
        due_marks,
    ]
    return as_figure(with_legend(layered(layers, x_label, max(len(grid.groups), 1) * row_height), shown), label)


def dot_plot(label: str, grid: Grid, own: str, x_label: str) -> Markup:
    """Draw one row per group of a single series: a dot at the value, a line along its interval, and the number.

    The group `own` is highlighted.
    """
    rows: list[Row] = [row | {"is_own": row["group"] == own} for row in grid.rows()]
    axis = alt.Axis(ticks=False, domain=False, labelLimit=150)
    y = alt.Y("group:N", title=None, sort=None, axis=axis, scale=alt.Scale(domain=grid.groups))
    x = alt.X("value:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=True))
    tooltip = [alt.Tooltip("group:N"), alt.Tooltip("value:Q", title=x_label, format=".4f"), alt.Tooltip("interval:N", title="95% interval")]
    base = chart_of(rows).encode(y=y, tooltip=tooltip)
    layers: list[Chart] = []
    for style, chosen in (("other", base.transform_filter("!datum.is_own")), ("own", base.transform_filter("datum.is_own"))):
        layers += [
            chosen.transform_filter("isValid(datum.high)").mark_rule(style=style, strokeWidth=1.8).encode(x="low:Q", x2="high:Q"),
            chosen.mark_circle(style=style, size=60, opacity=1).encode(x=x),
        ]
    digits = base.transform_calculate(right="isValid(datum.high) ? datum.high : datum.value").mark_text(align="left", dx=9)
    layers.append(digits.encode(x="right:Q", text=alt.Text("value:Q", format=".4f")))
    return as_figure(layered(layers, x_label, max(len(grid.groups), 1) * DOT_ROW), label)


def forest_plot(label: str, estimates: Sequence[Estimate], x_label: str) -> Markup:
    """Draw a forest plot: one row per estimate with its name, mean and interval, and a vertical line at zero.

    Names are to the left of their rows, or above them if one is too long.
    """
    are_above = max((len(e.name) for e in estimates), default=0) > LONGEST_BESIDE
    rows: list[Row] = [
        {"name": e.name, "position": i, "mean": e.mean, **_interval((e.low, e.high), "+.4f")} for i, e in enumerate(estimates)
    ]
    x = alt.X("low:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=True, padding=6))
    y = alt.Y("position:N", axis=None, scale=alt.Scale(domain=list(range(len(rows)))))
    mean, interval = alt.Tooltip("mean:Q", format="+.4f"), alt.Tooltip("interval:N", title="95% interval")
    base = chart_of(rows).encode(y=y, tooltip=[alt.Tooltip("name:N"), mean, interval])
    down = 9 if are_above else 0
    end = alt.MarkDef("tick", style="own", orient="vertical", thickness=1.8, size=10, yOffset=down)
    name = alt.MarkDef("text", style="strong", align="left", dy=-8, limit=alt.ExprRef("width"))
    if not are_above:
        name = alt.MarkDef("text", style="strong", align="right", dx=-8, limit=CHARACTER * LONGEST_BESIDE)
    layers: list[Chart] = [
        chart_of([{"zero": 0.0}]).mark_rule(style="zero").encode(x="zero:Q"),
        base.mark_rule(style="own", strokeWidth=1.8, yOffset=down).encode(x=x, x2="high:Q"),
        _marked(base.encode(x="low:Q"), end),
        _marked(base.encode(x="high:Q"), end),
        base.mark_circle(style="own", size=70, opacity=1, yOffset=down).encode(x="mean:Q"),
        _marked(base.encode(x=alt.value(0), text="name:N"), name),
    ]
    return as_figure(layered(layers, x_label, max(len(estimates), 1) * (FOREST_ROW if are_above else DOT_ROW)), label)


def chart_of(rows: Sequence[Mapping[str, str | float | bool | None]]) -> alt.Chart:
    """Create a chart with inline data and no marks."""
    return alt.Chart(alt.InlineData(values=[{name: _finite(value) for name, value in row.items()} for row in rows]))


def layered(layers: Sequence[Chart], title: str, height: int = HEIGHT) -> alt.LayerChart:
    """Combine layers into a chart that is as wide as its container in the page."""
    for i, layer in enumerate(layers):
        layer.name = f"layer{i}"  # Altair numbers unnamed layers with a global counter, which would not be reproducible
    return alt.LayerChart(layer=list(layers)).properties(
        width="container", height=height, title=alt.TitleParams(title, limit=alt.ExprRef("width"))
    )


def shown_series(names: Sequence[str]) -> alt.Parameter:
    """The selection of visible series, initially all; a click in the legend toggles one."""
    return alt.selection_point(name="shown", fields=["series"], bind="legend", toggle="true", value=[{"series": name} for name in names])


def with_legend(chart: alt.LayerChart, shown: alt.Parameter, n_due: int = 0) -> Finished:
    """Add the parameters of the legend to a chart, and explicit colours if there are reference series."""
    colours = [alt.param(name=f"colour_{name}", value=value) for name, value in {**DUE, **COLOURS}.items()] if n_due else []
    return chart.add_params(shown, alt.param(name=PLACE, value=WIDTH), *colours)


def series_colour(names: Sequence[str], n_due: int = 0) -> alt.Color:
    """The colour encoding of series, the first `n_due` in grey, with a legend that wraps to the width of the chart."""
    column = LEGEND_CHARACTER * min(max(map(len, names), default=0), LEGEND_NAME) + LEGEND_SYMBOL
    legend = alt.Legend(
        orient="top", title=None, columns=alt.ExprRef(f"max(1, floor({PLACE} / {column:.0f}))"), labelLimit=CHARACTER * LEGEND_NAME
    )
    if not n_due:
        return alt.Color("series:N", scale=alt.Scale(domain=list(names)), legend=legend)
    used = [*(f"due{s}" for s in range(n_due)), *(f"c{s % len(COLOURS)}" for s in range(len(names) - n_due))]
    return alt.Color("series:N", scale=alt.Scale(domain=list(names), range=[alt.ExprRef(f"colour_{name}") for name in used]), legend=legend)


def _marked(chart: alt.Chart, mark: alt.MarkDef) -> alt.Chart:
    chart.mark = mark
    return chart


def _finite(value: str | float | bool | None) -> str | float | bool | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def downsample(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep at most `MAX_POINTS` evenly spaced points, including the first and last."""
    n = len(points)
    if n <= MAX_POINTS:
        return points
    return [points[round(i * (n - 1) / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]


def _group_rows(grid: Grid, padding: float) -> alt.Y:
    axis = alt.Axis(labelExpr="split(datum.label, '\\n')", labelOverlap=False, labelLimit=120, ticks=False, domain=False)
    return alt.Y(
        "label:N", title=None, sort=None, axis=axis, scale=alt.Scale(domain=grid.labels, paddingInner=padding, paddingOuter=padding / 2)
    )


def _grid_tooltip(title: str, decimals: str, has_intervals: bool) -> list[alt.Tooltip]:
    fields = [alt.Tooltip("series:N"), alt.Tooltip("group:N"), alt.Tooltip("value:Q", title=title, format=decimals)]
    return [*fields, alt.Tooltip("interval:N", title="95% interval")] if has_intervals else fields


def _interval(ends: tuple[float, float], decimals: str) -> Row:
    """The ends of an interval, and a text of both for tooltips."""
    return {"low": ends[0], "high": ends[1], "interval": f"{ends[0]:{decimals}} to {ends[1]:{decimals}}"}
