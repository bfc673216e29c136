"""The page of a comparison: it says what was found, fetches nothing, and lets no label break out."""

from pathlib import Path

import polars as pl
import pytest

from mmrec.evaluation.compare.runs import MeasuredRun, compare_runs
from mmrec.evaluation.pages.comparison_page import write_comparison
from tests.pages import Page, check_self_contained, rows_of

EVIL = "<script>alert(1)</script>"


def make_run(label: str, by: float) -> MeasuredRun:
    values = [0.1 * i + by for i in range(1, 9)]
    frame = pl.DataFrame({"user_id": [f"u{i}" for i in range(8)], "seed": 1, "ndcg@20": values})
    slices = {"item_degree": {"cold": {"n": 3, "ndcg@20": by}, "head": {"n": 9, "ndcg@20": 0.4}}, "user_degree": {}}
    return MeasuredRun(label, f"runs/{label}", {"test/ndcg@20": sum(values) / 8}, slices, frame, "abc123")


@pytest.fixture
def html(tmp_path: Path) -> str:
    write_comparison(tmp_path / "compare.html", compare_runs([make_run("a", 0.0), make_run(EVIL, 0.09)], None, seed=0))
    return (tmp_path / "compare.html").read_text(encoding="utf-8")


def test_says_what_was_found(html: str) -> None:
    page = Page(html)
    text = " ".join(page.text.split())
    for shown in (
        "Comparison of 2 runs in ndcg@20",
        f"{EVIL} is 20.0% above a in ndcg@20 (0.5400 against 0.4500), p = .008",
        "+0.0900",
        "+20.0%",
        "+0.0900 … +0.0900",
        "0.0078",
        "for 1 comparison;",
        "runs/a",
        "abc123",
        "By item degree",
        "All runs are of one seed",
    ):
        assert shown in text
    assert list(page.charts) == ["Difference in ndcg@20 to a, with 95% intervals", "ndcg@20 by item degree"]
    forest, slices = map(rows_of, page.charts.values())
    assert [(row["name"], round(row["mean"], 9)) for row in forest if "name" in row] == [(EVIL, 0.09)]
    assert {(row["series"], row["group"]): row["value"] for row in slices}[EVIL, "cold"] == 0.09
    assert "By user degree" not in text


def test_nothing_is_fetched_and_nothing_foreign_runs(html: str) -> None:
    check_self_contained(html)
    assert EVIL not in html
