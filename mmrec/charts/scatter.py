"""A scatter chart over a logarithmic axis of seconds: a named dot for each thing compared, and a stepped line through the best of them.

Drawn with the primitives of `charts`: inline SVG, colours by class, no script. Up to 16 names stand beside their dots without touching
one another or leaving the chart; of more dots than that, the last names may.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from mmrec.charts.figures import (
    BOTTOM,
    LEFT,
    RIGHT,
    WIDTH,
    Y_LABEL,
    Scale,
    as_markup,
    attributes_of,
    draw_text,
    draw_y_axis,
    new_svg,
    nice_ticks,
)

HEIGHT, MARGIN = 234, 14
SMALLEST, LARGEST = 3.0, 10.0
LINE, NUDGE, GAP, LONGEST = 13, 4, 4, 24
CHARACTER = 8.2  # of the widest fonts that a page falls back to; a name must not touch another one
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


class Box(NamedTuple):
    """A rectangle of the drawing: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: "Box") -> bool:
        """Whether the two have a point inside both."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


PLOT = Box(LEFT, Y_LABEL, WIDTH - RIGHT, Y_LABEL + HEIGHT)


def scatter(label: str, dots: Sequence[Dot], x_label: str, y_label: str) -> Markup:
    """Dots by seconds and a value of which more is better, and a stepped line: the highest value that so many seconds buy.

    Dots that are not filled are rings. Those with a value that is not finite are left out; where none is left the text is empty.
    """
    dots = [dot for dot in dots if math.isfinite(dot.y) and math.isfinite(dot.seconds)]
    if not dots:
        return Markup("")
    svg = new_svg(label, PLOT.bottom + BOTTOM)
    places = _draw_axes(svg, dots, x_label, y_label)
    circles = [_around_dot(place, radius(dot.share)) for place, dot in zip(places, dots, strict=True)]
    names = [dot.name if len(dot.name) <= LONGEST else f"{dot.name[: LONGEST - 1]}…" for dot in dots]
    corners = step_corners(places)
    pieces = [Box(x1, y2, x2, y1) for (x1, y1), (x2, y2) in pairwise(corners)]
    boxes = place_names([CHARACTER * len(name) for name in names], circles, pieces)
    _draw_lines(svg, corners, circles, boxes)
    for dot, (cx, cy) in sorted(zip(dots, places, strict=True), key=lambda pair: -pair[0].share):  # a small one lies on a large one
        kind = "filled fill-0" if dot.is_filled else "hollow stroke-5"
        circle = SubElement(svg, "circle", attributes_of(cx=cx, cy=cy, r=round(radius(dot.share), 2), **{"class": kind}))
        SubElement(circle, "title").text = dot.title
    for dot, name, (cx, _), box in zip(dots, names, places, boxes, strict=True):
        x, anchor = _anchor(box, cx)
        draw_text(svg, x, box.bottom - 3, name, "ink halo" if dot.is_filled else "muted halo", anchor)
    return as_markup(svg)


def _draw_axes(svg: Element, dots: Sequence[Dot], x_label: str, y_label: str) -> list[tuple[float, float]]:
    """The place of each dot on the axes it draws."""
    y_ticks = nice_ticks(min(dot.y for dot in dots), max(dot.y for dot in dots))
    y = Scale(y_ticks[0], y_ticks[-1], PLOT.bottom - MARGIN, PLOT.top + MARGIN)
    draw_y_axis(svg, y, y_ticks, y_label)
    x_ticks = time_ticks([dot.seconds for dot in dots])
    x = Scale(math.log(x_ticks[0]), math.log(x_ticks[-1]), PLOT.left + MARGIN, PLOT.right - MARGIN)
    for tick in x_ticks:
        draw_text(svg, x(math.log(tick)), PLOT.bottom + 17, format_seconds(tick), "muted", "middle")
    draw_text(svg, (PLOT.left + PLOT.right) / 2, PLOT.bottom + 36, x_label, "muted", "middle")
    return [(x(math.log(min(max(dot.seconds, x_ticks[0]), x_ticks[-1]))), y(dot.y)) for dot in dots]


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


def radius(share: float) -> float:
    """Of a dot whose area lies so far between the smallest's and the largest's."""
    return math.sqrt(SMALLEST**2 + min(max(share, 0.0), 1.0) * (LARGEST**2 - SMALLEST**2))


def place_names(widths: Sequence[float], dots: Sequence[Box], obstacles: Sequence[Box] = ()) -> list[Box]:
    """A box of each width, `LINE` high, beside the dot of the same position: near it, inside the plot, off the other boxes.

    First come, first placed, in the nearest place that is free, if there is one that lies on no dot and no obstacle either. Where the last
    of at most 16 would find none, all are set in lines that they share, of which there are more than 16.
    """
    avoided = [*dots, *obstacles]
    places = _place(widths, dots, avoided, None) or _place(widths, dots, avoided, PLOT.top)
    return places or [next(_around(width, dot, None)) for width, dot in zip(widths, dots, strict=True)]


def _place(widths: Sequence[float], dots: Sequence[Box], avoided: Sequence[Box], first_line: float | None) -> list[Box] | None:
    placed: list[Box] = []
    for width, dot in zip(widths, dots, strict=True):
        free = [box for box in _around(width, dot, first_line) if not any(map(box.touches, placed))]
        if not free:
            return None
        placed.append(next((box for box in free if not any(map(box.touches, avoided))), free[0]))
    return placed


def _around(width: float, dot: Box, first_line: float | None) -> Iterator[Box]:
    """Boxes inside the plot, nearest first: right of the dot, left of it, across it; at any height or in lines from `first_line` on."""
    middle = (dot.top + dot.bottom - LINE) / 2
    if first_line is None:
        tops = [middle + step * NUDGE for step in range(-HEIGHT // NUDGE, HEIGHT // NUDGE + 1)]
    else:
        tops = [first_line + i * LINE for i in range(HEIGHT // LINE)]
    across = min(max((dot.left + dot.right - width) / 2, PLOT.left), PLOT.right - width)
    lefts = ((dot.right + GAP, 0), (dot.left - GAP - width, 3), (across, 6))  # the second figure ranks equally near ones
    ranked = sorted((abs(top - middle) + rank, left, top) for left, rank in lefts for top in tops)
    boxes = (Box(left, top, left + width, top + LINE) for _, left, top in ranked)
    return (b for b in boxes if b.left >= PLOT.left and b.right <= PLOT.right and b.top >= PLOT.top and b.bottom <= PLOT.bottom)


def _anchor(box: Box, cx: float) -> tuple[float, str]:
    """Where a name in its box starts, ends or has its middle: on the side of its dot, as the box may be wider than the name."""
    if box.left >= cx:
        return round(box.left, 1), "start"
    if box.right <= cx:
        return round(box.right, 1), "end"
    return round((box.left + box.right) / 2, 1), "middle"


def _around_dot(place: tuple[float, float], r: float) -> Box:
    return Box(place[0] - r, place[1] - r, place[0] + r, place[1] + r)


def step_corners(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where the stepped line turns: across and up, through the dots than which none is as far left and higher (of a smaller y)."""
    corners: list[tuple[float, float]] = []
    for x, y in sorted(places):
        if not corners:
            corners.append((x, y))
        elif y < corners[-1][1]:
            corners += [(x, corners[-1][1]), (x, y)]
    return corners


def _draw_lines(svg: Element, corners: Sequence[tuple[float, float]], dots: Sequence[Box], names: Sequence[Box]) -> None:
    """The stepped line, and a hairline from every dot to its name where that is far off."""
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in corners)
    SubElement(svg, "path", attributes_of(d=path, **{"class": "line stroke-0"}))
    for dot, name in zip(dots, names, strict=True):
        if max(name.top - dot.bottom, dot.top - name.bottom) > LINE / 2:
            cx, cy = (dot.left + dot.right) / 2, (dot.top + dot.bottom) / 2
            end = attributes_of(x2=_anchor(name, cx)[0], y2=round(name.top if name.top > cy else name.bottom, 1))
            SubElement(svg, "line", attributes_of(x1=cx, y1=cy, **{"class": "leader"}) | end)
