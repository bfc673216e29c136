"""The files of a leaderboard say what its sections hold; the page fetches nothing, and lets no name break out."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from mmrec.evaluation.compare.leaderboard import MeasuredModel, Section, make_section
from mmrec.evaluation.pages.leaderboard_page import write_leaderboard
from tests.pages import Page, check_self_contained, rows_of

EVIL = "<script>alert(1)</script>"
COLUMNS = ["recall@20", "ndcg@20"]


def make(name: str, by: float, is_baseline: bool) -> MeasuredModel:
    rows = [(f"u{u}", seed, u / 20 + by, u / 10 + by + seed / 100) for seed in (1, 2) for u in range(8)]
    frame = pl.DataFrame(rows, schema=["user_id", "seed", *COLUMNS], orient="row")
    return MeasuredModel(
        name, is_baseline, frame, {1: 4.0, 2: 6.0}, {1: {"coverage@20": 0.5}, 2: {"coverage@20": 0.7}}, {1: {"k": 3}, 2: {}}
    )


@pytest.fixture
def section() -> Section:
    return make_section("shop", "cold_item", [make("ours", 0.1, False), make("ease|" + EVIL, 0.0, True)], COLUMNS, "ndcg@20", seed=0)


@pytest.fixture
def folder(section: Section, tmp_path: Path) -> Path:
    write_leaderboard(tmp_path, "mine", [section], ["shop warm ours seed 3"])
    return tmp_path


def test_the_markdown_is_a_table_with_its_sentence_and_what_is_missing(folder: Path) -> None:
    text = (folder / "leaderboard.md").read_text(encoding="utf-8")
    assert "### shop, cold_item\n\nours is 27.4% above ease|" in text
    assert "Mean over 2 seeds (1, 2), ± standard deviation over seeds; 8 users; Δ: paired difference to ours." in text
    assert "| model | recall@20 | ndcg@20 | Δ ndcg@20 | p (Holm) | coverage | fit |\n| --- | ---: |" in text
    assert "| ours | **0.2750 ± 0.0000** | **0.4650 ± 0.0071** |  |  | 0.60 | 5.0 s |" in text
    assert f"| ease\\|{EVIL} | 0.1750 ± 0.0000 | 0.3650 ± 0.0071 | **−0.1000 [−0.1000, −0.1000]** | 0.0078 | 0.60 | 5.0 s |" in text
    assert "Unfinished runs, not in the tables: shop warm ours seed 3." in text


def test_the_json_holds_every_number(folder: Path, section: Section) -> None:
    found = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    assert (found["name"], found["unfinished"]) == ("mine", ["shop warm ours seed 3"])
    (one,) = found["sections"]
    assert (one["data"], one["split"], one["seeds"], one["n_users"]) == ("shop", "cold_item", [1, 2], 8)
    row = one["models"]["ease|" + EVIL]
    assert row["is_baseline"] and row["metrics"]["ndcg@20"]["mean"] == section.rows[1].values["ndcg@20"].mean
    assert row["difference"]["p_holm"] == 2 / 2**8 and row["tuned"] == {"1": {"k": 3}}
    assert one["models"]["ours"]["difference"] is None


def test_the_page_shows_tables_and_charts_and_fetches_nothing(folder: Path) -> None:
    html = (folder / "leaderboard.html").read_text(encoding="utf-8")
    check_self_contained(html)
    forest, pareto = map(rows_of, Page(html).charts.values())
    assert EVIL not in html and "on the Pareto front" in html
    assert [(row["name"], round(row["mean"], 9)) for row in forest if "name" in row] == [("ease|" + EVIL, -0.1)]
    assert {row["y"] for row in pareto if row.get("name") == "ours"} == {0.465}
    assert "0.4650" in html and "−0.1000 [−0.1000, −0.1000]" in html and "shop warm ours seed 3" in html


def test_data_with_numbered_names_have_a_curve(section: Section, tmp_path: Path) -> None:
    sections = [replace(section, data=name) for name in ("percent_25", "percent_1", "other")]
    write_leaderboard(tmp_path, "mine", sections, [])
    page = (tmp_path / "leaderboard.html").read_text()
    assert f'aria-label="{section.metric} by percent, {section.split}"' in page
    write_leaderboard(tmp_path, "mine", sections[1:], [])
    assert "by percent" not in (tmp_path / "leaderboard.html").read_text()
