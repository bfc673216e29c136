"""The scatter chart: dots where the numbers say, a line through the best, names beside the dots."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.charts.scatter import Dot, best_for_the_time, format_seconds, scatter, time_ticks
from tests.charts.drawing import draw, rows, spec_of, texts


def dot(name: str, seconds: float, y: float, share: float = 0.5, is_filled: bool = True) -> Dot:
    return Dot(name, seconds, y, share, is_filled, f"{name} it is")


def plot(*dots: Dot) -> str:
    return scatter("cost", dots, "time to fit", "ndcg@20")


def test_seconds_are_logarithmic_and_values_linear() -> None:
    chart = plot(dot("a", 0.01, 0.1), dot("b", 0.1, 0.2), dot("c", 10.0, 0.4))
    encoding = spec_of(chart)["layer"][0]["encoding"]
    assert encoding["x"]["scale"]["type"] == "log" and encoding["x"]["scale"]["domain"] == [0.01, 10.0]
    assert "type" not in encoding["y"]["scale"]
    assert {row["name"]: (row["seconds"], row["y"]) for row in rows(chart, "name")} == {"a": (0.01, 0.1), "b": (0.1, 0.2), "c": (10, 0.4)}
    assert {"0.01 s", "1 s", "10 s", "time to fit", "ndcg@20", "a", "b", "c"} <= set(texts(chart))


def test_area_grows_evenly_with_the_share() -> None:
    chart = plot(dot("none", 1, 0.1, 0.0), dot("half", 1, 0.2, 0.5), dot("all", 1, 0.3, 1.0), dot("more", 1, 0.4, 7.0))
    size = spec_of(chart)["layer"][1]["encoding"]["size"]
    assert size["field"] == "share" and size["scale"]["domain"] == [0, 1] and size["scale"]["range"][0] > 0
    assert [row["name"] for row in rows(chart, "name")] == ["more", "all", "half", "none"], "small ones lie on top"
    assert rows(chart, "name")[0]["share"] == 1.0


def test_dots_are_filled_or_hollow() -> None:
    chart = plot(dot("best", 1, 0.4), dot("beaten", 2, 0.3, is_filled=False))
    styles = [layer["mark"]["style"] for layer in spec_of(chart)["layer"]]
    assert styles == ["own", "beaten", "front", "beside"]
    symbols = [one for one in draw(chart).iter() if "mark-symbol" in one.get("class", "")]
    assert [len(list(one)) for one in symbols] == [1, 1]
    assert [layer["mark"]["style"] for layer in spec_of(plot(dot("best", 1, 0.4)))["layer"]] == ["own", "front", "beside"]


def test_line_steps_through_the_best_for_the_time() -> None:
    # c is slower and lower than b; of a and its equal in time the higher one counts.
    points = [(40.0, 5.0), (30.0, 3.0), (20.0, 4.0), (10.0, 1.0), (10.0, 2.0)]
    best = best_for_the_time([{"seconds": seconds, "y": y} for seconds, y in points])
    assert best == [{"seconds": 10.0, "y": 2.0}, {"seconds": 20.0, "y": 4.0}, {"seconds": 40.0, "y": 5.0}]
    line = spec_of(plot(dot("slow", 100.0, 0.4), dot("quick", 1.0, 0.2), dot("poor", 10.0, 0.1)))["layer"][0]
    assert line["mark"]["type"] == "line" and line["mark"]["interpolate"] == "step-after"


@given(st.lists(st.tuples(st.floats(0.001, 1e5), st.floats(0, 1)), min_size=1, max_size=16))
def test_no_point_is_above_the_line(points: list[tuple[float, float]]) -> None:
    best = best_for_the_time([{"seconds": seconds, "y": y} for seconds, y in points])
    for seconds, y in points:
        assert max(row["y"] for row in best if row["seconds"] <= seconds) >= y
    assert all((row["seconds"], row["y"]) in points for row in best)


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


def test_seconds_beyond_the_axis_are_drawn_at_its_end() -> None:
    assert sorted(row["seconds"] for row in rows(plot(dot("a", 0.0, 0.1), dot("b", 1e9, 0.2)), "name")) == [0.001, 864_000.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.01, "0.01 s"), (0.0123456, "0.0123 s"), (1, "1 s"), (60, "1 min"), (90, "1.5 min"), (7200, "2 h"), (864_000, "10 d")],
)
def test_seconds_are_readable(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_the_axis_names_its_ticks_as_texts_do() -> None:
    shown = set(texts(plot(dot("a", 0.5, 0.1), dot("b", 500_000.0, 0.2))))
    assert {format_seconds(tick) for tick in time_ticks([0.5, 500_000.0])} <= shown


def test_what_is_not_finite_is_left_out_and_long_names_are_cut() -> None:
    chart = plot(dot("x" * 60, 1.0, 0.1), dot("lost", 1.0, math.nan))
    (row,) = rows(chart, "name")
    assert len(row["name"]) == 24 and row["title"] == "x" * 60 + " it is"
    assert scatter("", [dot("lost", math.inf, 1.0)], "", "") == ""


def test_text_is_escaped() -> None:
    evil = "</figure><script>alert(1)</script>"
    chart = scatter(evil, [Dot(evil, 1.0, 0.5, 0.5, True, evil)], evil, evil)
    assert "<script>alert" not in chart and chart.count("</figure>") == 1 and rows(chart, "title")[0]["title"] == evil
