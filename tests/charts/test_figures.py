"""Charts of measured values: their data are the numbers given, Vega draws a mark for each, and no text can break out."""

import math

import pytest

from mmrec.charts.figures import (
    MAX_POINTS,
    Estimate,
    Grid,
    Line,
    deviation_chart,
    dot_plot,
    forest_plot,
    grouped_bars,
    groups_fit,
    line_chart,
    stacked_bars,
)
from tests.charts.drawing import draw, marks, rows, rules, spec_of, texts

GRID = Grid(["cold", "head"], ["fusion", "ease"], [[0.1, 0.4], [0.0, None]], [3, 1200])


def values(chart: str) -> dict[tuple[str, str], float]:
    return {(row["series"], row["group"]): row["value"] for row in rows(chart, "value")}


def test_grouped_bars_are_their_values_and_what_is_missing_has_none() -> None:
    chart = grouped_bars("ndcg by item degree", GRID, "item degree", "ndcg@20")
    assert values(chart) == {("fusion", "cold"): 0.1, ("fusion", "head"): 0.4, ("ease", "cold"): 0.0}
    assert len(marks(chart, "bar")) == 3
    (bars,) = spec_of(chart)["layer"]
    assert bars["encoding"]["color"]["scale"]["domain"] == ["fusion", "ease"]
    assert bars["mark"]["strokeWidth"] > 0 and bars["encoding"]["stroke"] == bars["encoding"]["color"], "a zero is a thin line"


def test_grouped_bars_name_axes_groups_and_sizes() -> None:
    chart = grouped_bars("ndcg by item degree", GRID, "item degree", "ndcg@20")
    assert {"cold", "head", "n = 3", "n = 1,200", "item degree", "ndcg@20", "fusion", "ease"} <= set(texts(chart))
    assert 'aria-label="ndcg by item degree"' in chart and spec_of(chart)["description"] == "ndcg by item degree"


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


def test_series_can_be_hidden_and_all_are_shown_at_first() -> None:
    for chart in (
        grouped_bars("x", GRID, "x", "y"),
        stacked_bars("x", GRID, "x"),
        deviation_chart("x", GRID, [0.1, 0.2], "x"),
        line_chart("x", [Line("fusion", [(0.0, 1.0)]), Line("ease", [(0.0, 2.0)])], "x", "y"),
    ):
        spec = spec_of(chart)
        (shown,) = [parameter for parameter in spec["params"] if parameter["name"] == "shown"]
        assert shown["bind"] == "legend" and shown["select"]["toggle"] == "true" and shown["select"]["fields"] == ["series"]
        assert shown["value"] == [{"series": "fusion"}, {"series": "ease"}]
        assert all({"filter": {"param": "shown"}} in layer["transform"] for layer in spec["layer"] if "color" in layer["encoding"])


def test_a_series_that_is_taken_out_is_not_drawn() -> None:
    spec = spec_of(grouped_bars("x", GRID, "x", "y"))
    assert len(marks(grouped_bars("x", GRID, "x", "y"), "bar")) == 3
    one = str(grouped_bars("x", GRID, "x", "y")).replace('"value":[{"series":"fusion"},{"series":"ease"}]', '"value":[{"series":"ease"}]')
    assert spec_of(one) != spec and [label for label in marks(one, "bar") if "fusion" in label] == []
    assert len(marks(one, "bar")) == 1 and "fusion" in texts(one), "the legend keeps it"


def test_stacked_bars_share_the_width() -> None:
    chart = stacked_bars("attention", Grid(["all"], ["text", "image", "kg"], [[0.75], [0.25], [0.0]], [9]), "share")
    assert values(chart) == {("text", "all"): 0.75, ("image", "all"): 0.25, ("kg", "all"): 0.0}
    assert {"75%", "25%", "100%", "n = 9"} <= set(texts(chart))
    assert spec_of(chart)["layer"][0]["encoding"]["x"]["stack"] == "zero"


def test_forest_plot_has_means_ends_and_a_line_at_zero() -> None:
    chart = forest_plot("worth", [Estimate("text", 0.2, 0.1, 0.3), Estimate("image", -0.1, -0.2, 0.0)], "difference")
    found = {row["name"]: (row["low"], row["mean"], row["high"], row["interval"]) for row in rows(chart, "mean")}
    assert found == {"text": (0.1, 0.2, 0.3, "+0.1000 to +0.3000"), "image": (-0.2, -0.1, 0.0, "-0.2000 to +0.0000")}
    assert rows(chart, "zero") == [{"zero": 0.0}]
    assert [label.split(";")[0].strip() for label in marks(chart, "circle")] and {"text", "image", "difference"} <= set(texts(chart))


def test_forest_plot_sets_long_names_above_their_rows_and_keeps_them_in_the_tooltip() -> None:
    short, long = (forest_plot("worth", [Estimate(name, 0.0, 0.0, 0.0)], "difference") for name in ("x", "x" * 200))
    heights = [spec_of(chart)["height"] for chart in (short, long)]
    assert heights[1] > heights[0] and rows(long, "name")[0]["name"] == "x" * 200
    assert max(map(len, texts(long))) < 150, "cut at the width"


def test_dot_plot_marks_our_own_and_says_values_in_digits() -> None:
    grid = Grid(["ease", "ours", "none"], ["ndcg@20"], [[0.25, 0.2, None]], [], [[(0.2, 0.3), None, None]])
    chart = dot_plot("models", grid, "ours", "test ndcg@20")
    assert [(row["group"], row["value"], row["is_own"], row.get("low")) for row in rows(chart, "value")] == [
        ("ease", 0.25, False, 0.2),
        ("ours", 0.2, True, None),
    ]
    assert {"0.2500", "0.2000", "ease", "ours", "test ndcg@20"} <= set(texts(chart))
    assert len(marks(chart, "circle")) == 2 and rules(chart) == 1


def test_line_chart_has_its_points_and_rings_the_highest() -> None:
    chart = line_chart("loss", [Line("seed 1", [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)])], "epoch", "loss", mark_highest=True)
    assert [(row["x"], row["y"], row["is_highest"]) for row in rows(chart, "y")] == [(0, 1, False), (1, 3, True), (2, 2, False)]
    assert len(marks(chart, "circle")) == 3 and len(marks(chart, "point")) == 1
    assert len(spec_of(line_chart("loss", [Line("a", [(0.0, 1.0)])], "epoch", "loss"))["layer"]) == 2


def test_line_chart_leaves_out_what_is_not_finite() -> None:
    chart = line_chart("loss", [Line("a", [(0.0, math.nan), (1.0, 2.0)]), Line("b", [(0.0, math.inf)])], "epoch", "loss")
    assert [(row["series"], row["x"], row["y"]) for row in rows(chart, "y")] == [("a", 1.0, 2.0)]
    assert line_chart("loss", [Line("a", [(0.0, math.nan)])], "epoch", "loss") == ""


def test_a_long_line_is_thinned_with_both_ends_kept() -> None:
    chart = line_chart("loss", [Line("a", [(float(i), float(i)) for i in range(10_000)])], "step", "loss")
    points = [(row["x"], row["y"]) for row in rows(chart, "y")]
    assert len(points) == MAX_POINTS and (points[0], points[-1]) == ((0, 0), (9999, 9999))


def test_text_is_escaped_everywhere() -> None:
    evil = "</figure></script><script>alert(1)</script>\"'"
    grid = Grid([evil], [evil], [[0.5]], [1])
    for chart in (
        grouped_bars(evil, grid, evil, evil),
        stacked_bars(evil, grid, evil),
        deviation_chart(evil, grid, [0.2], evil),
        dot_plot(evil, grid, evil, evil),
        forest_plot(evil, [Estimate(evil, 0.1, 0.0, 0.2)], evil),
        line_chart(evil, [Line(evil, [(0.0, 1.0)])], evil, evil),
    ):
        assert "<script>alert" not in chart and chart.count("</figure>") == 1
        assert spec_of(chart)["description"] == evil and evil in str(rows(chart, "series") or rows(chart, "name")).replace(
            '\\"', '"'
        ).replace("\\'", "'")


def test_legend_wraps_within_the_width() -> None:
    names = [f"a rather long model name {i}" for i in range(6)]
    chart = grouped_bars("many", Grid(["g"], names, [[0.1]] * 6, [1]), "x", "y")
    legend = spec_of(chart)["layer"][0]["encoding"]["color"]["legend"]
    assert legend["columns"]["expr"].startswith("max(1, floor(width_of_the_place / ") and set(names) <= set(texts(chart))
    assert float(draw(chart).get("width")) < 460


def test_whiskers_reach_from_low_to_high() -> None:
    grid = Grid(["cold"], ["fusion", "ease"], [[0.1], [0.2]], [3], [[(0.05, 0.4)], [None]])
    chart = grouped_bars("x", grid, "x", "y")
    assert [(row["low"], row["high"], row["interval"]) for row in rows(chart, "low")] == [(0.05, 0.4, "0.0500 to 0.4000")]
    assert rules(chart) == 1 and "0.4" in texts(chart)


def test_what_is_due_is_grey_and_the_series_keep_the_first_colours() -> None:
    scale = spec_of(grouped_bars("x", GRID, "x", "y", n_due=1))["layer"][0]["encoding"]["color"]["scale"]
    assert [one["expr"] for one in scale["range"]] == ["colour_due0", "colour_c0"]
    assert len(marks(grouped_bars("x", GRID, "x", "y", n_due=1), "bar")) == 3


def test_a_deviation_goes_from_what_is_due_to_the_value() -> None:
    chart = deviation_chart("x", Grid(["tail", "head"], ["fusion"], [[0.0, 1.0]], []), [0.25, 0.75], "share")
    assert [(row["group"], row["due"], row["value"]) for row in rows(chart, "value")] == [("tail", 0.25, 0.0), ("head", 0.75, 1.0)]
    encoding = spec_of(chart)["layer"][0]["encoding"]
    assert (encoding["x"]["field"], encoding["x2"]["field"]) == ("value", "due")
    assert len(marks(chart, "tick")) == 2


@pytest.mark.parametrize("series", [[], ["fusion"]])
@pytest.mark.parametrize("value", [0.0, 0.3, None, math.nan])
@pytest.mark.parametrize("groups", [[], ["cold"]])
def test_every_chart_of_groups_draws_none_and_one(groups: list[str], value: float | None, series: list[str]) -> None:
    grid = Grid(groups, series, [[value for _ in groups] for _ in series], [])
    for chart in (grouped_bars("x", grid, "x", "y"), stacked_bars("x", grid, "s"), deviation_chart("x", grid, [0.2 for _ in groups], "s")):
        assert set(groups) <= set(texts(chart)) and "NaN" not in chart


@pytest.mark.parametrize("value", [-0.1, 0.0, 0.2])
def test_every_chart_of_points_draws_none_and_one(value: float) -> None:
    assert line_chart("x", [], "epoch", "loss") == line_chart("x", [Line("a", [])], "epoch", "loss") == ""
    assert len(marks(line_chart("x", [Line("a", [(0.0, value)])], "epoch", "loss"), "circle")) == 1
    assert marks(forest_plot("x", [], "difference"), "circle") == []
    assert len(marks(forest_plot("x", [Estimate("a", value, value, value)], "difference"), "circle")) == 1
