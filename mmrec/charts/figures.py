"""Charts of measured values: lines, grouped bars, stacked horizontal bars, forest plots, deviations.

Series have the page's colours in the order in which they come. A click on a series in the legend hides it, or shows it again; a double
click shows all. Every mark has a tooltip.
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
LONGEST_BESIDE = 26  # letters of a name
WIDTH, CHARACTER, LEGEND_CHARACTER, LEGEND_SYMBOL, LEGEND_NAME = 430, 6.8, 5.8, 32, 26


@dataclass(frozen=True)
class Line:
    """A named series of (x, y), in ascending x."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Grid:
    """Groups by series: what bars show and what the table beside them prints."""

    groups: list[str]
    series: list[str]
    values: list[list[float | None]]
    """`values[s][g]`; None where nothing was measured."""
    sizes: list[int]
    """How many items, users, … each group holds; empty where that is not told."""
    intervals: list[list[tuple[float, float] | None]] | None = None
    """95% intervals of the values."""

    def of(self, series: Collection[str]) -> "Grid":
        """The same with these series alone, in the order in which they were."""
        kept = [s for s, name in enumerate(self.series) if name in series]
        intervals = None if self.intervals is None else [self.intervals[s] for s in kept]
        return Grid(self.groups, [self.series[s] for s in kept], [self.values[s] for s in kept], self.sizes, intervals)

    @property
    def labels(self) -> list[str]:
        """The groups' names, with their sizes on a line below where they are told."""
        if not self.sizes:
            return list(self.groups)
        return [f"{group}\nn = {size:,}" for group, size in zip(self.groups, self.sizes, strict=True)]

    def rows(self) -> list[Row]:
        """A row for every measured value."""
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
    """A value with its interval."""

    name: str
    mean: float
    low: float
    high: float


def line_chart(label: str, lines: Sequence[Line], x_label: str, y_label: str, mark_highest: bool = False) -> Markup:
    """Lines over a common x, a ring on each line's highest point if asked.

    Values that are not finite are left out; where none is left the text is empty.
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
    """Vertical bars from zero, a cluster for each group, in it a bar for each series; a zero is a hairline, an unmeasured value a gap.

    Values with an interval have whiskers. The first `n_due` series are what the others should be, and are drawn in grey.
    """
    shown = shown_series(grid.series)
    base = chart_of(grid.rows()).transform_filter(shown)
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '\\n')", labelOverlap=False, labelLimit=120, ticks=False)
    x = alt.X("label:N", title=x_label, sort=None, axis=axis, scale=alt.Scale(domain=grid.labels, paddingInner=0.16, paddingOuter=0.08))
    offset = alt.XOffset("series:N", sort=grid.series, scale=alt.Scale(paddingInner=0.08))
    tooltip = _grid_tooltip(y_label, ".4f", grid.intervals is not None)
    colour = series_colour(grid.series, n_due)
    # The outline keeps a bar of no height visible.
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
    """Whether the names of groups can stand side by side under `grouped_bars`, by an estimate of the text's width."""
    return CHARACTER * max(map(len, groups), default=0) * len(groups) <= WIDTH


def stacked_bars(label: str, grid: Grid, x_label: str) -> Markup:
    """A horizontal bar for each group, cut into the shares of the series: `values` are fractions, at most 1 in sum over the series."""
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
    """Groups beneath one another; in each an upright line at what is `due`, and from it a line to a dot at the value of every series."""
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
    """A row for each group: a dot at the value of the only series, on a line along its interval, and the value in digits.

    The group `own` stands out.
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
    """A row for each estimate: its name, a dot at the mean on a line from low to high; zero is a line through all rows.

    Names stand beside their rows, or all of them above where one is too long for that.
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
    """An empty chart of inline data."""
    return alt.Chart(alt.InlineData(values=[{name: _finite(value) for name, value in row.items()} for row in rows]))


def layered(layers: Sequence[Chart], title: str, height: int = HEIGHT) -> alt.LayerChart:
    """Layers over one another, as wide as their place in the page."""
    for i, layer in enumerate(layers):
        layer.name = f"layer{i}"  # Altair numbers those without a name through the process, and the same chart must be the same text
    return alt.LayerChart(layer=list(layers)).properties(
        width="container", height=height, title=alt.TitleParams(title, limit=alt.ExprRef("width"))
    )


def shown_series(names: Sequence[str]) -> alt.Parameter:
    """The series that are shown, all at first: a click on one in the legend takes it out or puts it back."""
    return alt.selection_point(name="shown", fields=["series"], bind="legend", toggle="true", value=[{"series": name} for name in names])


def with_legend(chart: alt.LayerChart, shown: alt.Parameter, n_due: int = 0) -> Finished:
    """A chart of series with what its legend needs; the colours of series only where some are due."""
    colours = [alt.param(name=f"colour_{name}", value=value) for name, value in {**DUE, **COLOURS}.items()] if n_due else []
    return chart.add_params(shown, alt.param(name=PLACE, value=WIDTH), *colours)


def series_colour(names: Sequence[str], n_due: int = 0) -> alt.Color:
    """A colour for each series, the first `n_due` grey, and a legend that wraps with the width of the chart."""
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
    """At most `MAX_POINTS`, evenly taken, first and last kept."""
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
    """The ends, and both as a text for tooltips."""
    return {"low": ends[0], "high": ends[1], "interval": f"{ends[0]:{decimals}} to {ends[1]:{decimals}}"}
