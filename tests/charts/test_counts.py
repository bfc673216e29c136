"""Charts of counts: the data are the numbers given, and what Vega draws of them can be read."""

import pytest

from mmrec.charts.counts import at_least_chart, count_bars
from mmrec.charts.figures import MAX_DOTS, MAX_POINTS
from tests.charts.drawing import marks, rows, spec_of, texts

EVIL = "<script>alert(1)</script>"


def test_bars_are_their_counts() -> None:
    chart = count_bars("Ratings", [("1", 1000), ("2", 0), (EVIL, 4000)], "rating", "interactions")
    assert [(row["name"], row["count"]) for row in rows(chart, "count")] == [("1", 1000), ("2", 0), (EVIL, 4000)]
    assert {"rating", "interactions", "0", "4,000"} <= set(texts(chart)) and "<script>alert" not in chart
    assert [label.split(";")[0] for label in marks(chart, "bar")] == ["rating: 1", "rating: 2", f"rating: {EVIL}"]
    assert spec_of(chart)["layer"][0]["encoding"]["y"]["axis"]["tickMinStep"] == 1


def test_names_that_have_no_room_are_left_out_but_not_their_bars() -> None:
    chart = count_bars("x", [(f"2024-01-{day:02}", day) for day in range(1, 32)], "day", "n")
    names = [text for text in texts(chart) if text.startswith("2024")]
    assert names[0] == "2024-01-01" and 1 < len(names) < 8 and len(marks(chart, "bar")) == 31


def test_at_least_is_drawn_on_two_logarithmic_axes() -> None:
    chart = at_least_chart("degrees", {"users": [(1, 1000), (10, 10), (100, 1)], EVIL: []}, "interactions", "n")
    encoding = spec_of(chart)["layer"][0]["encoding"]
    assert encoding["x"]["scale"]["type"] == encoding["y"]["scale"]["type"] == "log"
    assert [(row["series"], row["at_least"], row["count"]) for row in rows(chart, "at_least")] == [
        ("users", 1, 1000),
        ("users", 10, 10),
        ("users", 100, 1),
    ]
    assert {"1", "10", "100", "1k", "users", EVIL} <= set(texts(chart)) and "<script>alert" not in chart


def test_many_points_are_thinned_with_both_ends_and_have_no_visible_dots() -> None:
    chart = at_least_chart("degrees", {"items": [(n, 5001 - n) for n in range(1, 5001)]}, "x", "n")
    points = [(row["at_least"], row["count"]) for row in rows(chart, "at_least")]
    assert MAX_DOTS < len(points) <= MAX_POINTS and points[0] == (1, 5000) and points[-1] == (5000, 1)
    assert spec_of(chart)["layer"][1]["mark"]["size"] == 0


def test_nothing_is_drawn_of_nothing() -> None:
    assert count_bars("x", [], "x", "y") == at_least_chart("x", {"users": []}, "x", "y") == ""


@pytest.mark.parametrize("count", [0, 1])
def test_one_bar(count: int) -> None:
    assert len(marks(count_bars("x", [("a", count)], "x", "y"), "bar")) == 1
