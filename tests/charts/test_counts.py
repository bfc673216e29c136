"""Charts of counts: what is drawn stands where the numbers say, and no text can break out of the SVG."""

from xml.etree.ElementTree import Element, fromstring

import pytest

from mmrec.charts.counts import at_least_chart, count_bars
from mmrec.charts.figures import BOTTOM, LEFT, MAX_DOTS, MAX_POINTS, PLOT_HEIGHT, RIGHT, WIDTH, Y_LABEL

EVIL = "<script>alert(1)</script>"


def titled(svg: str, tag: str) -> dict[str, Element]:
    """Elements by their tooltip."""
    return {found.find("title").text: found for found in fromstring(svg).iter(tag) if found.find("title") is not None}


def texts(svg: str) -> list[str]:
    return [text.text for text in fromstring(svg).iter("text")]


def test_bars_are_as_high_as_their_counts() -> None:
    svg = count_bars("Ratings", [("1", 1000), ("2", 0), (EVIL, 4000)], "rating", "interactions")
    bars = titled(svg, "rect")
    heights = {title: float(bar.get("height")) for title, bar in bars.items()}
    assert heights == {"1: 1,000": PLOT_HEIGHT / 4, "2: 0": 0, f"{EVIL}: 4,000": PLOT_HEIGHT}
    assert {"rating", "interactions", "0", "4000"} <= set(texts(svg)) and "<script>" not in svg
    lows = {float(bar.get("y")) + float(bar.get("height")) for bar in bars.values()}
    assert lows == {Y_LABEL + PLOT_HEIGHT} and fromstring(svg).get("viewBox") == f"0 0 {WIDTH} {Y_LABEL + PLOT_HEIGHT + BOTTOM}"


def test_names_that_have_no_room_are_left_out_but_not_their_bars() -> None:
    svg = count_bars("x", [(f"2024-01-{day:02}", day) for day in range(1, 32)], "day", "n")
    names = [text for text in texts(svg) if text.startswith("2024")]
    assert names[0] == "2024-01-01" and 1 < len(names) < 8 and len(titled(svg, "rect")) == 31


def test_at_least_is_drawn_on_two_logarithmic_axes() -> None:
    svg = at_least_chart("degrees", {"users": [(1, 1000), (10, 10), (100, 1)], EVIL: []}, "interactions", "n")
    dots = titled(svg, "circle")
    places = {title: (float(dot.get("cx")), float(dot.get("cy"))) for title, dot in dots.items()}
    left, right, top, bottom = LEFT + 8, WIDTH - RIGHT - 8, 20 + Y_LABEL, 20 + Y_LABEL + PLOT_HEIGHT
    assert places["1,000 users have 1 or more"] == (left, top)
    assert places["10 users have 10 or more"] == pytest.approx(((left + right) / 2, top + 2 / 3 * PLOT_HEIGHT), abs=0.1)
    assert places["1 users have 100 or more"] == (right, bottom)
    assert {"1", "10", "100", "1,000"} <= set(texts(svg)) and "<script>" not in svg


def test_many_points_are_thinned_with_both_ends_and_have_no_visible_dots() -> None:
    svg = at_least_chart("degrees", {"items": [(n, 5001 - n) for n in range(1, 5001)]}, "x", "n")
    dots = titled(svg, "circle")
    assert MAX_DOTS < len(dots) <= MAX_POINTS and {dot.get("class") for dot in dots.values()} == {"invisible"}
    assert "5,000 items have 1 or more" in dots and "1 items have 5,000 or more" in dots
    assert {"10k", "100"} <= set(texts(svg))


def test_nothing_is_drawn_of_nothing() -> None:
    assert count_bars("x", [], "x", "y") == at_least_chart("x", {"users": []}, "x", "y") == ""
