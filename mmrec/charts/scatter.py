"""A scatter chart of values over time on a logarithmic axis, with a named dot per element and the Pareto front as a step line.

The page places names next to their dots where there is room; other names only appear in tooltips.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
from markupsafe import Markup

from mmrec.charts.embed import Chart, as_figure
from mmrec.charts.figures import Row, chart_of, layered

HEIGHT, LONGEST = 270, 24
SMALLEST, LARGEST = 30.0, 320.0
TICKS = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 86_400.0, 864_000.0)
UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True)
class Dot:
    """One element of the chart."""

    name: str
    seconds: float
    """At least 0, clipped to the range of `TICKS`."""
    y: float
    share: float
    """From 0 to 1; the area of the dot is linear in it."""
    is_filled: bool
    title: str
    """The text of the tooltip."""


def scatter(label: str, dots: Sequence[Dot], x_label: str, y_label: str) -> Markup:
    """Draw dots by time and a value for which higher is better, and a step line through the highest value within each time.

    Dots that are not filled are rings. Dots with non-finite values are left out. Returns empty markup if none are left.
    """
    dots = [dot for dot in dots if math.isfinite(dot.y) and math.isfinite(dot.seconds)]
    if not dots:
        return Markup("")
    ticks = time_ticks([dot.seconds for dot in dots])
    rows = [_row(dot, ticks) for dot in sorted(dots, key=lambda dot: -dot.share)]  # small dots are drawn over large ones
    units = "".join(f"datum.value >= {size:g} ? format(datum.value / {size:g}, '.3~r') + ' {unit}' : " for size, unit in UNITS)
    axis = alt.Axis(values=ticks, labelExpr=f"{units}format(datum.value, '.3~r') + ' s'", grid=False)
    x = alt.X("seconds:Q", title=x_label, axis=axis, scale=alt.Scale(type="log", domain=[ticks[0], ticks[-1]], nice=False, padding=14))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=6), scale=alt.Scale(zero=False, nice=False, padding=14))
    area = alt.Size("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[SMALLEST, LARGEST]))
    base = chart_of(rows).encode(x=x, y=y, tooltip=alt.Tooltip("title:N"))
    layers: list[Chart] = [
        chart_of(best_for_the_time(rows)).mark_line(style="own", interpolate="step-after").encode(x=x, y=y),
    ]
    if not all(dot.is_filled for dot in dots):  # label placement fails for marks without data
        beaten = base.transform_filter("!datum.is_filled").mark_point(style="beaten", strokeWidth=1.8, opacity=1)
        layers.append(beaten.encode(size=area))
    if any(dot.is_filled for dot in dots):
        layers.append(base.transform_filter("datum.is_filled").mark_point(style="front", filled=True, opacity=1).encode(size=area))
    opacity = alt.when("datum.is_filled").then(alt.value(1)).otherwise(alt.value(0.7))
    layers.append(base.mark_text(style="beside").encode(text="name:N", fillOpacity=opacity))
    return as_figure(layered(layers, y_label, HEIGHT), label)


def best_for_the_time(rows: Sequence[Row]) -> list[Row]:
    """The rows whose `y` exceeds that of all rows with at most their `seconds`, in ascending order of time."""
    best: list[Row] = []
    highest = -math.inf
    for seconds, height in sorted(((float(row["seconds"] or 0.0), float(row["y"] or 0.0)) for row in rows), key=lambda at: (at[0], -at[1])):
        if height > highest:
            best.append({"seconds": seconds, "y": height})
            highest = height
    return best


def time_ticks(seconds: Sequence[float]) -> list[float]:
    """The `TICKS` that enclose all times, at least two; every second one if there are more than eight."""
    first = min(max(bisect_right(TICKS, min(seconds)) - 1, 0), len(TICKS) - 2)
    last = max(min(bisect_left(TICKS, max(seconds)), len(TICKS) - 1), first + 1)
    ticks = list(TICKS[first : last + 1])
    return ticks if len(ticks) <= 8 else [*ticks[:-1:2], ticks[-1]]


def format_seconds(seconds: float) -> str:
    """Format a duration with three digits in the largest unit that it reaches: `0.012 s`, `1.5 min`, `2 h`, `3 d`."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _row(dot: Dot, ticks: Sequence[float]) -> Row:
    seconds, share = min(max(dot.seconds, ticks[0]), ticks[-1]), min(max(dot.share, 0.0), 1.0)
    return {"name": _cut(dot.name), "seconds": seconds, "y": dot.y, "share": share, "is_filled": dot.is_filled, "title": dot.title}


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
