"""Charts of counts, drawn with the primitives of `charts`: bars under any names, and how many have at least so many, on logarithms."""

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from markupsafe import Markup

from mmrec.charts.figures import (
    BOTTOM,
    CHARACTER,
    LEFT,
    LEGEND_LINE,
    MAX_DOTS,
    MAX_POINTS,
    N_COLOURS,
    PLOT_HEIGHT,
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


def count_bars(label: str, bars: Sequence[tuple[str, int]], x_label: str, y_label: str) -> Markup:
    """A bar from zero for each count; as many names below as have room. Without any the text is empty."""
    if not bars:
        return Markup("")
    svg = new_svg(label, Y_LABEL + PLOT_HEIGHT + BOTTOM)
    ticks = [tick for tick in nice_ticks(0, max(count for _, count in bars)) if tick == int(tick)]
    y = Scale(ticks[0], ticks[-1], Y_LABEL + PLOT_HEIGHT, Y_LABEL)
    draw_y_axis(svg, y, ticks, y_label)
    step = (WIDTH - LEFT - RIGHT) / len(bars)
    every = math.ceil(CHARACTER * (max(len(name) for name, _ in bars) + 2) / step)
    for position, (name, count) in enumerate(bars):
        left, height = LEFT + step * position, max(y.start - y(count), 1.0 if count else 0.0)
        box = attributes_of(x=round(left + step * 0.1, 2), y=y.start - height, width=round(step * 0.8, 2), height=height)
        bar = SubElement(svg, "rect", {**box, "class": "fill-0"})
        SubElement(bar, "title").text = f"{name}: {count:,}"
        if position % every == 0:
            draw_text(svg, left + step / 2, y.start + 17, name, "muted", "middle")
    draw_text(svg, (LEFT + WIDTH - RIGHT) / 2, y.start + 36, x_label, "muted", "middle")
    return as_markup(svg)


def at_least_chart(label: str, series: Mapping[str, Sequence[tuple[int, int]]], x_label: str, y_label: str) -> Markup:
    """A line through (x, how many have at least x), x and counts from 1 up, both axes logarithmic. Without any point the text is empty."""
    points = [point for line in series.values() for point in line]
    if not points:
        return Markup("")
    top = LEGEND_LINE + Y_LABEL
    svg = new_svg(label, top + PLOT_HEIGHT + BOTTOM)
    x = Scale(0, math.ceil(math.log10(max(x for x, _ in points)) - 1e-9) or 1, LEFT + 8, WIDTH - RIGHT - 8)
    y = Scale(0, math.ceil(math.log10(max(y for _, y in points)) - 1e-9) or 1, top + PLOT_HEIGHT, top)
    for power in range(int(y.high) + 1):
        SubElement(svg, "line", attributes_of(x1=LEFT, x2=WIDTH - RIGHT, y1=y(power), y2=y(power), **{"class": "grid"}))
        draw_text(svg, LEFT - 7, y(power) + 4, _power(power), "muted", "end")
    for power in range(int(x.high) + 1):
        draw_text(svg, x(power), y.start + 17, _power(power), "muted", "middle")
    draw_text(svg, 0, y.end - 13, y_label, "muted", "start")
    draw_text(svg, (LEFT + WIDTH - RIGHT) / 2, y.start + 36, x_label, "muted", "middle")
    for s, (name, line) in enumerate(series.items()):
        draw_text(svg, LEFT + s * WIDTH / 3 + 18, 13, name, "ink", "start")
        SubElement(svg, "rect", attributes_of(x=LEFT + s * WIDTH / 3, y=3, width=12, height=12, **{"class": f"fill-{s % N_COLOURS}"}))
        _draw_steps(svg, name, _thin(line), s, x, y)
    return as_markup(svg)


def _draw_steps(svg: Element, name: str, line: Sequence[tuple[int, int]], s: int, x: Scale, y: Scale) -> None:
    places = [(x(math.log10(value)), y(math.log10(count))) for value, count in line]
    if places:
        path = "M" + " L".join(f"{px:g} {py:g}" for px, py in places)
        SubElement(svg, "path", attributes_of(d=path, **{"class": f"line stroke-{s % N_COLOURS}"}))
    for (value, count), (px, py) in zip(line, places, strict=True):
        kind = f"fill-{s % N_COLOURS}" if len(line) <= MAX_DOTS else "invisible"
        dot = SubElement(svg, "circle", attributes_of(cx=px, cy=py, r=2.6, **{"class": kind}))
        SubElement(dot, "title").text = f"{count:,} {name} have {value:,} or more"


def _thin(line: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most `MAX_POINTS` of ascending points, evenly spread over the logarithm of x, first and last kept."""
    if len(line) <= MAX_POINTS:
        return list(line)
    width = math.log(line[-1][0] / line[0][0]) / (MAX_POINTS - 1)
    kept = {round(math.log(point[0] / line[0][0]) / width): point for point in reversed(line)}
    return [*sorted(kept.values())[:-1], line[-1]]


def _power(power: int) -> str:
    return f"{10**power:,}" if power < 4 else f"{10 ** (power % 3)}{'kMGTP'[power // 3 - 1]}"
