"""The scatter chart: dots where the numbers say, names that touch nothing and stay inside, a line through the best."""

import math
from itertools import combinations
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.charts.figures import WIDTH
from mmrec.charts.scatter import CHARACTER, PLOT, Box, Dot, format_seconds, place_names, radius, scatter, step_corners, time_ticks


def dot(name: str, seconds: float, y: float, share: float = 0.5, is_filled: bool = True) -> Dot:
    return Dot(name, seconds, y, share, is_filled, f"{name} it is")


def draw(*dots: Dot) -> tuple[Element, dict[str, Element]]:
    """The chart, and its circles by their tooltips."""
    svg = fromstring(scatter("cost", dots, "time to fit", "ndcg@20"))
    return svg, {circle.find("title").text.removesuffix(" it is"): circle for circle in svg.iter("circle")}


def box_of(text: Element) -> Box:
    """Where a text stands, by the same estimate of its width."""
    x, baseline, width = float(text.get("x")), float(text.get("y")), CHARACTER * len(text.text)
    left = x - {"start": 0, "middle": width / 2, "end": width}[text.get("text-anchor")]
    return Box(left, baseline - 10, left + width, baseline + 3)


def test_seconds_are_logarithmic_and_values_linear() -> None:
    _, circles = draw(dot("a", 0.01, 0.1), dot("b", 0.1, 0.2), dot("c", 10.0, 0.4))
    (ax, ay), (bx, by), (cx, cy) = ((float(circle.get("cx")), float(circle.get("cy"))) for circle in circles.values())
    assert cx - bx == pytest.approx(2 * (bx - ax), abs=0.3)
    assert by - cy == pytest.approx(2 * (ay - by), abs=0.3)


def test_area_grows_evenly_with_the_share() -> None:
    _, circles = draw(dot("none", 1, 0.1, 0.0), dot("half", 1, 0.2, 0.5), dot("all", 1, 0.3, 1.0))
    none, half, full = (float(circles[name].get("r")) ** 2 for name in ("none", "half", "all"))
    assert 0 < none < full and half == pytest.approx((none + full) / 2, rel=0.01)
    assert list(circles) == ["all", "half", "none"], "small ones lie on top"


def test_dots_are_filled_or_hollow() -> None:
    svg, circles = draw(dot("best", 1, 0.4), dot("beaten", 2, 0.3, is_filled=False))
    assert circles["best"].get("class") == "filled fill-0" and circles["beaten"].get("class") == "hollow stroke-5"
    names = {text.text: text.get("class") for text in svg.iter("text")}
    assert names["best"] == "ink halo" and names["beaten"] == "muted halo"


def test_line_steps_through_the_best_for_the_time() -> None:
    # c is slower and lower than b; of a and its equal in time the higher one counts. Up on the page is a smaller y.
    a, below_a, b, c, d = (10.0, 90.0), (10.0, 95.0), (20.0, 50.0), (30.0, 60.0), (40.0, 40.0)
    assert step_corners([d, c, b, below_a, a]) == [a, (20.0, 90.0), b, (40.0, 50.0), d]
    svg, circles = draw(dot("slow", 100.0, 0.4), dot("quick", 1.0, 0.2), dot("poor", 10.0, 0.1))
    x, y = ([float(circles[name].get(of)) for name in ("quick", "slow")] for of in ("cx", "cy"))
    assert svg.find("path").get("d") == f"M{x[0]:g} {y[0]:g} L{x[1]:g} {y[0]:g} L{x[1]:g} {y[1]:g}"


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        ([2.0, 8.0], [1.0, 10.0]),
        ([1.0], [1.0, 10.0]),
        ([0.004, 65.0], [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0]),
        ([0.0, 5000.0], [0.001, 0.1, 10.0, 600.0, 36_000.0]),
        ([1e9], [86_400.0, 864_000.0]),
    ],
)
def test_ticks_enclose_the_seconds(seconds: list[float], ticks: list[float]) -> None:
    assert time_ticks(seconds) == ticks


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.01, "0.01 s"), (0.0123456, "0.0123 s"), (1, "1 s"), (60, "1 min"), (90, "1.5 min"), (7200, "2 h"), (864_000, "10 d")],
)
def test_seconds_are_readable(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


points = st.tuples(
    st.floats(0.001, 1e5), st.integers(0, 500).map(lambda i: i / 500), st.floats(0.0, 1.0), st.text("mW_", min_size=1, max_size=40)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(points, min_size=1, max_size=16) | points.map(lambda point: [point] * 16))
def test_names_do_not_touch_and_stay_inside(drawn: list[tuple[float, float, float, str]]) -> None:
    svg = fromstring(scatter("", [dot(name, s, y, share) for s, y, share, name in drawn], "", ""))
    boxes = [box_of(text) for text in svg.iter("text") if "halo" in text.get("class")]
    assert len(boxes) == len(drawn)
    for one, other in combinations(boxes, 2):
        assert (
            min(one.right, other.right) - max(one.left, other.left) < 0.3 or min(one.bottom, other.bottom) - max(one.top, other.top) < 0.3
        )
    height = float(svg.get("viewBox").split()[3])
    assert all(b.left > -0.3 and b.right < WIDTH + 0.3 and b.top > -0.3 and b.bottom < height for b in boxes)


def test_a_name_keeps_off_other_dots_and_obstacles_where_it_can() -> None:
    own, right = Box(200, 100, 210, 110), Box(215, 100, 225, 110)
    (box, _) = place_names([50.0, 50.0], [own, right])
    assert box == Box(146, 98.5, 196, 111.5), "left of its dot, as the other one is on the right"
    wall = Box(100, 105, 199, 105)
    (box, _) = place_names([50.0, 50.0], [own, right], [wall])
    assert not any(map(box.touches, (own, right, wall)))


def test_lines_that_all_share_take_sixteen_names_where_nudging_leaves_gaps() -> None:
    # Full-width boxes, at heights that leave gaps lower than a line: beside each dot there is no room for all.
    dots = [Box(200, y, 200, y) for y in (PLOT.top + 6.5 + 25 * i for i in range(9))] + [Box(200, 150, 200, 150)] * 7
    boxes = place_names([PLOT.right - PLOT.left] * 16, dots)
    assert not any(one.touches(other) for one, other in combinations(boxes, 2))
    assert all(PLOT.left <= box.left and box.right <= PLOT.right and PLOT.top <= box.top and box.bottom <= PLOT.bottom for box in boxes)


def test_a_hairline_leads_to_a_name_far_off() -> None:
    far = [dot(f"same {i}", 1.0, 0.5) for i in range(8)]
    leaders = [len([line for line in draw(*dots)[0].iter("line") if line.get("class") == "leader"]) for dots in (far[:2], far)]
    assert leaders[0] == 0 < leaders[1]


def test_what_is_not_finite_is_left_out_and_long_names_are_cut() -> None:
    svg, circles = draw(dot("x" * 60, 1.0, 0.1), dot("lost", 1.0, math.nan))
    assert list(circles) == ["x" * 60] and max(len(text.text) for text in svg.iter("text")) == 24
    assert scatter("", [dot("lost", math.inf, 1.0)], "", "") == ""


def test_text_is_escaped() -> None:
    evil = "</svg><script>alert(1)</script>"
    svg = scatter(evil, [Dot(evil, 1.0, 0.5, 0.5, True, evil)], evil, evil)
    assert "<script" not in svg and svg.count("</svg>") == 1
    assert radius(2.0) == radius(1.0) and radius(-1.0) == radius(0.0)
