"""Charts: what is drawn stands where the numbers say, and no text can break out of the SVG."""

import math
import re
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.charts.figures import (
    MAX_POINTS,
    ROW_LABEL,
    WIDTH,
    Estimate,
    Grid,
    Line,
    deviation_chart,
    forest_plot,
    grouped_bars,
    groups_fit,
    line_chart,
    nice_ticks,
    stacked_bars,
)

GRID = Grid(["cold", "head"], ["fusion", "ease"], [[0.1, 0.4], [0.0, None]], [3, 1200])


def bars(svg: str) -> dict[str, Element]:
    """Rectangles by their tooltip."""
    return {bar.find("title").text: bar for bar in fromstring(svg).iter("rect")}


def texts(svg: str) -> list[str]:
    return [text.text for text in fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 0.37, [0.0, 0.1, 0.2, 0.3, 0.4]),
        (3.0, 11.0, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
        (0.0, 0.0, [0.0, 0.5, 1.0]),
        (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_nice_ticks(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_nice_ticks_enclose_in_few_equal_steps(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= low + width - 1e-6 * step
    assert 2 <= len(ticks) <= 7


def test_grouped_bars_are_as_high_as_their_values() -> None:
    drawn = bars(grouped_bars("ndcg by item degree", GRID, "item degree", "ndcg@20"))
    cold, head, zero = (drawn[name] for name in ("fusion, cold: 0.1000", "fusion, head: 0.4000", "ease, cold: 0.0000"))
    assert float(head.get("height")) == pytest.approx(4 * float(cold.get("height")), abs=0.5)
    assert float(zero.get("height")) == 1.0
    assert cold.get("class") == head.get("class") == "fill-0"
    assert zero.get("class") == "fill-1"
    assert not any(name.startswith("ease, head") for name in drawn)


def test_grouped_bars_name_axes_groups_and_sizes() -> None:
    svg = grouped_bars("ndcg by item degree", GRID, "item degree", "ndcg@20")
    assert {"cold", "head", "n = 3", "n = 1,200", "item degree", "ndcg@20", "fusion", "ease"} <= set(texts(svg))
    assert fromstring(svg).get("aria-label") == "ndcg by item degree"
    assert fromstring(svg).get("role") == "img"


def test_a_grid_of_some_series_keeps_their_order_and_all_that_is_theirs() -> None:
    grid = Grid(
        ["g", "h"], ["a", "b", "c"], [[1.0, 2.0], [3.0, None], [5.0, 6.0]], [7, 8], [[(0, 2), None], [None, None], [(4, 6), (5, 7)]]
    )
    assert grid.of({"c", "a", "x"}) == Grid(["g", "h"], ["a", "c"], [[1.0, 2.0], [5.0, 6.0]], [7, 8], [[(0, 2), None], [(4, 6), (5, 7)]])


def test_names_of_groups_stand_side_by_side_or_do_not_fit() -> None:
    assert groups_fit(["day", "week", "month", "longer", "overlap", "never"]) and groups_fit([])
    assert not groups_fit(["administrator", "technician", "programmer", "student", "writer"]) and not groups_fit(
        [str(i) for i in range(60)]
    )


def test_stacked_bars_share_the_width() -> None:
    grid = Grid(["all"], ["text", "image", "kg"], [[0.75], [0.25], [0.0]], [9])
    drawn = bars(stacked_bars("attention", grid, "share"))
    text, image = drawn["text, all: 75.0%"], drawn["image, all: 25.0%"]
    assert float(text.get("width")) + 1 == pytest.approx(3 * (float(image.get("width")) + 1), abs=0.5)
    assert float(image.get("x")) == pytest.approx(float(text.get("x")) + float(text.get("width")) + 1, abs=0.2)
    assert "kg, all: 0.0%" not in drawn


def test_forest_plot_sets_means_between_their_ends_and_zero_through_all_rows() -> None:
    svg = fromstring(forest_plot("worth", [Estimate("text", 0.2, 0.1, 0.3), Estimate("image", -0.1, -0.2, 0.0)], "difference"))
    text, image = svg.iter("circle")
    zero = next(line for line in svg.iter("line") if line.get("class") == "line stroke-5")
    spans = [line for line in svg.iter("line") if line.get("class") == "line stroke-0" and line.get("y1") == line.get("y2")]
    for dot, span, low, high in ((text, spans[0], 0.1, 0.3), (image, spans[1], -0.2, 0.0)):
        left, right, middle = float(span.get("x1")), float(span.get("x2")), float(dot.get("cx"))
        assert middle == pytest.approx((left + right) / 2, abs=0.2), (low, high)
    assert float(spans[1].get("x2")) == pytest.approx(float(zero.get("x1"))) and float(spans[0].get("x1")) > float(zero.get("x1"))
    assert float(text.get("cy")) < float(image.get("cy")) < float(zero.get("y2"))
    assert text.find("title").text == "text: +0.2000, 95% interval +0.1000 to +0.3000"


def test_forest_plot_cuts_long_names_and_keeps_them_in_the_tooltip() -> None:
    name = "x" * 200
    svg = forest_plot("worth", [Estimate(name, 0.0, 0.0, 0.0)], "difference")
    assert max(len(text) for text in texts(svg)) < 70 and name in svg


def test_line_chart_rises_with_its_values_and_rings_the_highest() -> None:
    svg = line_chart("loss", [Line("seed 1", [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)])], "epoch", "loss", mark_highest=True)
    *dots, ring = fromstring(svg).iter("circle")
    assert [float(dot.get("cx")) for dot in dots] == sorted(float(dot.get("cx")) for dot in dots)
    assert float(dots[1].get("cy")) < float(dots[2].get("cy")) < float(dots[0].get("cy"))
    assert (ring.get("cx"), ring.get("cy")) == (dots[1].get("cx"), dots[1].get("cy"))
    assert dots[1].find("title").text == "seed 1, epoch 1: loss 3.0000"


def test_line_chart_leaves_out_what_is_not_finite() -> None:
    svg = line_chart("loss", [Line("a", [(0.0, math.nan), (1.0, 2.0)]), Line("b", [(0.0, math.inf)])], "epoch", "loss")
    assert len(list(fromstring(svg).iter("circle"))) == 1
    assert "nan" not in svg
    assert line_chart("loss", [Line("a", [(0.0, math.nan)])], "epoch", "loss") == ""


def test_a_long_line_is_thinned_with_both_ends_kept() -> None:
    svg = line_chart("loss", [Line("a", [(float(i), float(i)) for i in range(10_000)])], "step", "loss")
    names = [dot.find("title").text for dot in fromstring(svg).iter("circle")]
    assert len(names) == MAX_POINTS
    assert (names[0], names[-1]) == ("a, step 0: loss 0.0000", "a, step 9999: loss 9999.0000")


def test_text_is_escaped_everywhere() -> None:
    evil = "</svg><script>alert(1)</script>\"'"
    grid = Grid([evil], [evil], [[0.5]], [1])
    for svg in (
        grouped_bars(evil, grid, evil, evil),
        stacked_bars(evil, grid, evil),
        forest_plot(evil, [Estimate(evil, 0.1, 0.0, 0.2)], evil),
        line_chart(evil, [Line(evil, [(0.0, 1.0)])], evil, evil),
    ):
        assert "<script" not in svg
        assert svg.count("</svg>") == 1
        assert evil in texts(svg)


def test_legend_wraps_within_the_width() -> None:
    names = [f"a rather long model name {i}" for i in range(6)]
    svg = grouped_bars("many", Grid(["g"], names, [[0.1]] * 6, [1]), "x", "y")
    legend = [text for text in fromstring(svg).iter("text") if text.text in names]
    assert len({text.get("y") for text in legend}) > 1
    assert max(float(text.get("x")) for text in legend) < WIDTH
    height = float(re.search(r'viewBox="0 0 \d+ (\d+)"', svg).group(1))
    assert all(float(bar.get("y")) >= 0 and float(bar.get("y")) + float(bar.get("height")) <= height for bar in bars(svg).values())


def test_whiskers_reach_from_low_to_high_and_the_axis_holds_them() -> None:
    grid = Grid(["cold"], ["fusion", "ease"], [[0.1], [0.2]], [3], [[(0.05, 0.4)], [None]])
    svg = grouped_bars("x", grid, "x", "y")
    (whisker,) = (path for path in fromstring(svg).iter("path") if path.get("class") == "whisker")
    high, low = (float(re.search(pattern, whisker.get("d"))[1]) for pattern in (r"^M[\d.]+ ([\d.]+)", r"V([\d.]+)"))
    height = float(bars(svg)["fusion, cold: 0.1000, 95% interval 0.0500 to 0.4000"].get("height"))
    assert low - high == pytest.approx(3.5 * height, abs=0.3)
    assert "0.4" in texts(svg) and "ease, cold: 0.2000" in bars(svg)


def test_a_deviation_goes_from_what_is_due_to_the_value() -> None:
    svg = fromstring(deviation_chart("x", Grid(["tail", "head"], ["fusion"], [[0.0, 1.0]], []), [0.25, 0.75], "share"))
    lines = [line for line in svg.iter("line") if line.get("class") == "line stroke-0"]
    due = [float(line.get("x1")) for line in svg.iter("line") if line.get("class") == "due"]
    assert [float(line.get("x1")) for line in lines] == due
    assert [float(line.get("x2")) for line in lines] == [ROW_LABEL, WIDTH - 22]
    assert due[0] - ROW_LABEL == pytest.approx(WIDTH - 22 - due[1], abs=0.2)


@pytest.mark.parametrize("series", [[], ["fusion"]])
@pytest.mark.parametrize("value", [0.0, 0.3, None])
@pytest.mark.parametrize("groups", [[], ["cold"]])
def test_every_chart_of_groups_draws_none_and_one(groups: list[str], value: float | None, series: list[str]) -> None:
    grid = Grid(groups, series, [[value for _ in groups] for _ in series], [])
    drawn = [
        grouped_bars("x", grid, "x", "y"),
        stacked_bars("x", grid, "share"),
        deviation_chart("x", grid, [0.2 for _ in groups], "share"),
    ]
    assert all(set(groups) <= set(texts(svg)) and "nan" not in svg for svg in drawn)


@pytest.mark.parametrize("value", [-0.1, 0.0, 0.2])
def test_every_chart_of_points_draws_none_and_one(value: float) -> None:
    assert line_chart("x", [], "epoch", "loss") == line_chart("x", [Line("a", [])], "epoch", "loss") == ""
    assert len(list(fromstring(line_chart("x", [Line("a", [(0.0, value)])], "epoch", "loss")).iter("circle"))) == 1
    assert list(fromstring(forest_plot("x", [], "difference")).iter("circle")) == []
    assert len(list(fromstring(forest_plot("x", [Estimate("a", value, value, value)], "difference")).iter("circle"))) == 1
