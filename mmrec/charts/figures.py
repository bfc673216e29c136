"""Charts as inline SVG: lines, grouped bars, stacked horizontal bars, forest plots, deviations. No script, no external request.

A chart names its colours by class (`fill-0`, `stroke-0`, … `fill-7`; `due-0`, `due-1`; `ink`, `muted`, `grid`, `on-fill`), so that the
page's style sheet decides them and follows the reader's light or dark mode. All text is escaped by ElementTree. Lengths are units of the
view box.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

WIDTH = 460
N_COLOURS = 8
LEFT, RIGHT, BOTTOM, PLOT_HEIGHT = 48, 12, 44, 170
ROW_HEIGHT, ROW_GAP, ROW_LABEL = 26, 10, 116
FOREST_ROW = 46
LANE, LANES_GAP = 9, 18
LEGEND_LINE, Y_LABEL, CHARACTER = 20, 30, 7.2
MAX_POINTS, MAX_DOTS = 200, 40


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


@dataclass(frozen=True)
class Estimate:
    """A value with its interval."""

    name: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """A linear map from a range of the data to one of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return round(self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5), 1)


def nice_ticks(low: float, high: float, n_steps: int = 4) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose [low, high] in about `n_steps` steps."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / n_steps
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def line_chart(label: str, lines: Sequence[Line], x_label: str, y_label: str, mark_highest: bool = False) -> Markup:
    """Lines over a common x, a ring on each line's highest point if asked.

    Values that are not finite are left out; where none is left the text is empty.
    """
    finite = [Line(line.name, _thin([p for p in line.points if math.isfinite(p[1])])) for line in lines]
    points = [p for line in finite for p in line.points]
    if not points:
        return Markup("")
    top = _legend_height([line.name for line in finite]) + Y_LABEL
    svg = new_svg(label, top + PLOT_HEIGHT + BOTTOM)
    _legend(svg, [line.name for line in finite])
    ticks = nice_ticks(min(y for _, y in points), max(y for _, y in points))
    y = Scale(ticks[0], ticks[-1], top + PLOT_HEIGHT, top)
    x = Scale(min(p[0] for p in points), max(p[0] for p in points), LEFT + 8, WIDTH - RIGHT - 8)
    draw_y_axis(svg, y, ticks, y_label)
    for tick in nice_ticks(x.low, x.high, 6):
        if x.low <= tick <= x.high and tick == int(tick):
            draw_text(svg, x(tick), y.start + 17, f"{tick:g}", "muted", "middle")
    draw_text(svg, (LEFT + WIDTH - RIGHT) / 2, y.start + 36, x_label, "muted", "middle")
    for s, line in enumerate(finite):
        _draw_line(svg, line, s, x, y, (x_label, y_label))
    for s, line in enumerate(finite):
        if mark_highest and line.points:
            px, py = max(line.points, key=lambda point: point[1])
            SubElement(svg, "circle", attributes_of(cx=x(px), cy=y(py), r=6, **{"class": f"ring stroke-{s % N_COLOURS}"}))
    return as_markup(svg)


def grouped_bars(label: str, grid: Grid, x_label: str, y_label: str, n_due: int = 0) -> Markup:
    """Vertical bars from zero, a cluster for each group, in it a bar for each series; a zero is a hairline, an unmeasured value a gap.

    Values with an interval have whiskers. The first `n_due` series are what the others should be, and are drawn in grey.
    """
    top = _legend_height(grid.series) + Y_LABEL
    marks = [*(f"due-{s}" for s in range(n_due)), *map(_fill, range(len(grid.series) - n_due))]
    svg = new_svg(label, top + PLOT_HEIGHT + BOTTOM + 14)
    _legend(svg, grid.series, marks)
    highest = [v for row in grid.values for v in row if v is not None] + [ends[1] for row in grid.intervals or [] for ends in row if ends]
    ticks = nice_ticks(0.0, max(highest, default=1.0))
    y = Scale(ticks[0], ticks[-1], top + PLOT_HEIGHT, top)
    draw_y_axis(svg, y, ticks, y_label)
    group_width = (WIDTH - LEFT - RIGHT) / max(len(grid.groups), 1)
    bar_width = min(group_width * 0.82 / max(len(grid.series), 1), 34.0)
    for g, group in enumerate(grid.groups):
        centre = LEFT + group_width * (g + 0.5)
        for s, name in enumerate(grid.series):
            if (value := grid.values[s][g]) is not None:
                height = max(y.start - y(value), 1.0)
                left = centre + (s - len(grid.series) / 2) * bar_width
                ends = grid.intervals[s][g] if grid.intervals else None
                said = f"{name}, {group}: {value:.4f}" + (f", 95% interval {ends[0]:.4f} to {ends[1]:.4f}" if ends else "")
                _bar(svg, (left, y.start - height, bar_width - 1.5, height), marks[s], said)
                if ends:
                    _whisker(svg, left + (bar_width - 1.5) / 2, min(bar_width / 4, 4.0), (y(ends[0]), y(ends[1])))
        draw_text(svg, centre, y.start + 17, group, "ink", "middle")
        if grid.sizes:
            draw_text(svg, centre, y.start + 32, f"n = {grid.sizes[g]:,}", "muted small", "middle")
    draw_text(svg, (LEFT + WIDTH - RIGHT) / 2, y.start + 51, x_label, "muted", "middle")
    return as_markup(svg)


def groups_fit(groups: Sequence[str]) -> bool:
    """Whether the names of groups can stand side by side under `grouped_bars`, by an estimate of the text's width."""
    return CHARACTER * max(map(len, groups), default=0) * len(groups) <= WIDTH - LEFT - RIGHT


def stacked_bars(label: str, grid: Grid, x_label: str) -> Markup:
    """A horizontal bar for each group, cut into the shares of the series: `values` are fractions, at most 1 in sum over the series."""
    top = _legend_height(grid.series) + 8
    bottom = top + len(grid.groups) * (ROW_HEIGHT + ROW_GAP)
    svg = new_svg(label, bottom + 38)
    _legend(svg, grid.series)
    x = Scale(0.0, 1.0, ROW_LABEL, WIDTH - RIGHT - 10)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        SubElement(svg, "line", attributes_of(x1=x(tick), x2=x(tick), y1=top - 4, y2=bottom, **{"class": "grid"}))
        draw_text(svg, x(tick), bottom + 13, f"{tick:.0%}", "muted small", "middle")
    for g, group in enumerate(grid.groups):
        _stacked_row(svg, grid, g, top + g * (ROW_HEIGHT + ROW_GAP), x)
        draw_text(svg, ROW_LABEL - 8, top + g * (ROW_HEIGHT + ROW_GAP) + 12, group, "ink", "end")
        if grid.sizes:
            draw_text(svg, ROW_LABEL - 8, top + g * (ROW_HEIGHT + ROW_GAP) + 25, f"n = {grid.sizes[g]:,}", "muted small", "end")
    draw_text(svg, (x.start + x.end) / 2, bottom + 31, x_label, "muted", "middle")
    return as_markup(svg)


def deviation_chart(label: str, grid: Grid, due: Sequence[float], x_label: str) -> Markup:
    """Groups beneath one another; in each an upright line at what is `due`, and from it a line to a dot at the value of every series."""
    row_height = LANE * len(grid.series) + LANES_GAP
    top = _legend_height(grid.series) + 8
    bottom = top + row_height * len(grid.groups)
    svg = new_svg(label, bottom + 32)
    _legend(svg, grid.series)
    ticks = nice_ticks(0.0, max([*due, *(v for row in grid.values for v in row if v is not None)], default=1.0))
    x = Scale(ticks[0], ticks[-1], ROW_LABEL, WIDTH - RIGHT - 10)
    for tick in ticks:
        SubElement(svg, "line", attributes_of(x1=x(tick), x2=x(tick), y1=top, y2=bottom, **{"class": "grid"}))
        draw_text(svg, x(tick), bottom + 13, f"{tick:.0%}", "muted small", "middle")
    for g, (group, share) in enumerate(zip(grid.groups, due, strict=True)):
        start = top + row_height * g
        for s, name in enumerate(grid.series):
            if (value := grid.values[s][g]) is not None:
                _deviation(svg, (x(share), x(value)), start + (LANES_GAP + LANE) / 2 + LANE * s, s, f"{name}, {group}: {value:.1%}")
        mark = SubElement(svg, "line", attributes_of(x1=x(share), x2=x(share), y1=start + 6, y2=start + row_height - 6, **{"class": "due"}))
        SubElement(mark, "title").text = f"{group}: {share:.1%}"
        draw_text(svg, ROW_LABEL - 10, start + row_height / 2 + 4, group, "ink", "end")
    draw_text(svg, (x.start + x.end) / 2, bottom + 29, x_label, "muted", "middle")
    return as_markup(svg)


def forest_plot(label: str, estimates: Sequence[Estimate], x_label: str) -> Markup:
    """A row for each estimate: its name, and beneath it a dot at the mean on a line from low to high; zero is a line through all rows."""
    bottom = len(estimates) * FOREST_ROW + 6
    svg = new_svg(label, bottom + 40)
    ticks = nice_ticks(min([0.0, *(e.low for e in estimates)]), max([0.0, *(e.high for e in estimates)]))
    x = Scale(ticks[0], ticks[-1], 14.0, WIDTH - 14.0)
    decimals = _decimals(ticks)
    for tick in ticks:
        kind = "line stroke-5" if tick == 0 else "grid"
        SubElement(svg, "line", attributes_of(x1=x(tick), x2=x(tick), y1=0, y2=bottom, **{"class": kind}))
        draw_text(svg, x(tick), bottom + 15, f"{tick:.{decimals}f}", "muted small", "middle")
    for row, estimate in enumerate(estimates):
        _forest_row(svg, estimate, row * FOREST_ROW, x)
    draw_text(svg, WIDTH / 2, bottom + 34, x_label, "muted", "middle")
    return as_markup(svg)


def _deviation(svg: Element, ends: tuple[float, float], y: float, s: int, title: str) -> None:
    SubElement(svg, "line", attributes_of(x1=ends[0], x2=ends[1], y1=y, y2=y, **{"class": f"line stroke-{s % N_COLOURS}"}))
    dot = SubElement(svg, "circle", attributes_of(cx=ends[1], cy=y, r=3.4, **{"class": _fill(s)}))
    SubElement(dot, "title").text = title


def _whisker(svg: Element, x: float, half: float, ends: tuple[float, float]) -> None:
    low, high = ends
    path = f"M{x - half:.1f} {high:g} h{2 * half:.1f} M{x:.1f} {high:g} V{low:g} M{x - half:.1f} {low:g} h{2 * half:.1f}"
    SubElement(svg, "path", attributes_of(d=path, **{"class": "whisker"}))


def _forest_row(svg: Element, estimate: Estimate, top: float, x: Scale) -> None:
    longest, y = int(WIDTH / CHARACTER), top + 32
    name = estimate.name if len(estimate.name) <= longest else f"{estimate.name[: longest - 1]}…"
    draw_text(svg, 0, top + 16, name, "ink", "start")
    for x1, x2, y1, y2 in (
        (estimate.low, estimate.high, y, y),
        *((end, end, y - 5, y + 5) for end in (estimate.low, estimate.high)),
    ):
        SubElement(svg, "line", attributes_of(x1=x(x1), x2=x(x2), y1=y1, y2=y2, **{"class": "line stroke-0"}))
    dot = SubElement(svg, "circle", attributes_of(cx=x(estimate.mean), cy=y, r=4.5, **{"class": "fill-0"}))
    SubElement(dot, "title").text = f"{estimate.name}: {estimate.mean:+.4f}, 95% interval {estimate.low:+.4f} to {estimate.high:+.4f}"


def _stacked_row(svg: Element, grid: Grid, g: int, top: float, x: Scale) -> None:
    start = 0.0
    for s, name in enumerate(grid.series):
        share = grid.values[s][g]
        if not share:
            continue
        left, right = x(start), x(start + share)
        _bar(svg, (left, top, max(right - left - 1, 0.5), ROW_HEIGHT), _fill(s), f"{name}, {grid.groups[g]}: {share:.1%}")
        if right - left > 34:
            draw_text(svg, (left + right) / 2, top + 17, f"{share:.0%}", "on-fill small", "middle")
        start += share


def _draw_line(svg: Element, line: Line, s: int, x: Scale, y: Scale, labels: tuple[str, str]) -> None:
    if not line.points:
        return
    path = "M" + " L".join(f"{x(px):g} {y(py):g}" for px, py in line.points)
    SubElement(svg, "path", attributes_of(d=path, **{"class": f"line stroke-{s % N_COLOURS}"}))
    visible = len(line.points) <= MAX_DOTS
    for px, py in line.points:
        kind = f"fill-{s % N_COLOURS}" if visible else "invisible"
        dot = SubElement(svg, "circle", attributes_of(cx=x(px), cy=y(py), r=2.6 if visible else 4, **{"class": kind}))
        SubElement(dot, "title").text = f"{line.name}, {labels[0]} {px:g}: {labels[1]} {py:.4f}"


def draw_y_axis(svg: Element, y: Scale, ticks: Sequence[float], label: str) -> None:
    """A line across the plot and a number at each tick, the label above them."""
    decimals = _decimals(ticks)
    for tick in ticks:
        SubElement(svg, "line", attributes_of(x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), **{"class": "grid"}))
        draw_text(svg, LEFT - 7, y(tick) + 4, f"{tick:.{decimals}f}", "muted", "end")
    draw_text(svg, 0, y.end - 13, label, "muted", "start")


def _decimals(ticks: Sequence[float]) -> int:
    return max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))


def _legend_positions(names: Sequence[str]) -> list[tuple[float, int]]:
    """(x, line) of every entry, wrapped at the chart's width by an estimate of the text's."""
    positions, x, line = [], 0.0, 0
    for name in names:
        width = 22 + CHARACTER * len(name) + 14
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        positions.append((x, line))
        x += width
    return positions


def _legend_height(names: Sequence[str]) -> int:
    return LEGEND_LINE * (_legend_positions(names)[-1][1] + 1) if names else 0


def _legend(svg: Element, names: Sequence[str], marks: Sequence[str] | None = None) -> None:
    marks = marks or [_fill(s) for s in range(len(names))]
    for name, mark, (x, line) in zip(names, marks, _legend_positions(names), strict=True):
        _bar(svg, (x, line * LEGEND_LINE + 3, 12.0, 12.0), mark, name)
        draw_text(svg, x + 18, line * LEGEND_LINE + 13, name, "ink", "start")


def _fill(s: int) -> str:
    return f"fill-{s % N_COLOURS}"


def _bar(svg: Element, box: tuple[float, float, float, float], mark: str, title: str) -> None:
    x, y, width, height = (round(v, 1) for v in box)
    bar = SubElement(svg, "rect", attributes_of(x=x, y=y, width=width, height=height, rx=1.5, **{"class": mark}))
    SubElement(bar, "title").text = title


def draw_text(svg: Element, x: float, y: float, text: str, kind: str, anchor: str) -> None:
    """Text of the classes `kind` that starts, ends or has its middle (`anchor`) at x, on the baseline y."""
    attributes = {"class": kind, "text-anchor": anchor}
    SubElement(svg, "text", attributes_of(x=round(x, 1), y=round(y, 1), **attributes)).text = text


def new_svg(label: str, height: float) -> Element:
    """An empty drawing, `WIDTH` wide, that screen readers call `label`."""
    return Element("svg", {"viewBox": f"0 0 {WIDTH} {height:g}", "role": "img", "aria-label": label})


def attributes_of(**values: str | float | int) -> dict[str, str]:
    """XML attributes: numbers as short as they are."""
    return {name: value if isinstance(value, str) else f"{value:g}" for name, value in values.items()}


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MAX_POINTS`, evenly taken, first and last kept."""
    n = len(points)
    if n <= MAX_POINTS:
        return points
    return [points[round(i * (n - 1) / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]


def as_markup(svg: Element) -> Markup:
    """The finished drawing, for a template."""
    return Markup(tostring(svg, encoding="unicode"))
