"""A scatter chart over a logarithmic axis of seconds: a named dot for each thing compared, and a stepped line through the best of them.

The page sets the names beside their dots where they touch nothing; a name without room is in the tooltip alone.
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
    """One thing in the chart."""

    name: str
    seconds: float
    """At least 0; beyond the ends of `TICKS` it is drawn there."""
    y: float
    share: float
    """0 to 1: the dot's area grows by it, evenly."""
    is_filled: bool
    title: str
    """What the tooltip says."""


def scatter(label: str, dots: Sequence[Dot], x_label: str, y_label: str) -> Markup:
    """Dots by seconds and a value of which more is better, and a stepped line: the highest value that so many seconds buy.

    Dots that are not filled are rings. Those with a value that is not finite are left out; where none is left the text is empty.
    """
    dots = [dot for dot in dots if math.isfinite(dot.y) and math.isfinite(dot.seconds)]
    if not dots:
        return Markup("")
    ticks = time_ticks([dot.seconds for dot in dots])
    rows = [_row(dot, ticks) for dot in sorted(dots, key=lambda dot: -dot.share)]  # a small one lies on a large one
    units = "".join(f"datum.value >= {size:g} ? format(datum.value / {size:g}, '.3~r') + ' {unit}' : " for size, unit in UNITS)
    axis = alt.Axis(values=ticks, labelExpr=f"{units}format(datum.value, '.3~r') + ' s'", grid=False)
    x = alt.X("seconds:Q", title=x_label, axis=axis, scale=alt.Scale(type="log", domain=[ticks[0], ticks[-1]], nice=False, padding=14))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=6), scale=alt.Scale(zero=False, nice=False, padding=14))
    area = alt.Size("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[SMALLEST, LARGEST]))
    base = chart_of(rows).encode(x=x, y=y, tooltip=alt.Tooltip("title:N"))
    layers: list[Chart] = [
        chart_of(best_for_the_time(rows)).mark_line(style="own", interpolate="step-after").encode(x=x, y=y),
    ]
    if not all(dot.is_filled for dot in dots):  # a name cannot keep off a mark that is empty
        beaten = base.transform_filter("!datum.is_filled").mark_point(style="beaten", strokeWidth=1.8, opacity=1)
        layers.append(beaten.encode(size=area))
    if any(dot.is_filled for dot in dots):
        layers.append(base.transform_filter("datum.is_filled").mark_point(style="front", filled=True, opacity=1).encode(size=area))
    opacity = alt.when("datum.is_filled").then(alt.value(1)).otherwise(alt.value(0.7))
    layers.append(base.mark_text(style="beside").encode(text="name:N", fillOpacity=opacity))
    return as_figure(layered(layers, y_label, HEIGHT), label)


def best_for_the_time(rows: Sequence[Row]) -> list[Row]:
    """Of rows with `seconds` and `y`, those that are higher than all that are as quick or quicker, quickest first."""
    best: list[Row] = []
    highest = -math.inf
    for seconds, height in sorted(((float(row["seconds"] or 0.0), float(row["y"] or 0.0)) for row in rows), key=lambda at: (at[0], -at[1])):
        if height > highest:
            best.append({"seconds": seconds, "y": height})
            highest = height
    return best


def time_ticks(seconds: Sequence[float]) -> list[float]:
    """Of `TICKS`, those that enclose all seconds, at least two; every other one where there are more than eight."""
    first = min(max(bisect_right(TICKS, min(seconds)) - 1, 0), len(TICKS) - 2)
    last = max(min(bisect_left(TICKS, max(seconds)), len(TICKS) - 1), first + 1)
    ticks = list(TICKS[first : last + 1])
    return ticks if len(ticks) <= 8 else [*ticks[:-1:2], ticks[-1]]


def format_seconds(seconds: float) -> str:
    """Three digits of the largest unit that is at least one: `0.012 s`, `1.5 min`, `2 h`, `3 d`."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _row(dot: Dot, ticks: Sequence[float]) -> Row:
    seconds, share = min(max(dot.seconds, ticks[0]), ticks[-1]), min(max(dot.share, 0.0), 1.0)
    return {"name": _cut(dot.name), "seconds": seconds, "y": dot.y, "share": share, "is_filled": dot.is_filled, "title": dot.title}


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
