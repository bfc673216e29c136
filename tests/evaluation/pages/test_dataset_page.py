"""The page of a dataset: it shows what was counted, fetches nothing, and lets no id or text break out."""

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from mmrec.data.discover.describe import describe, spread
from mmrec.evaluation.pages.dataset_page import facts, spread_cells, write_description
from mmrec.types import Dataset
from tests.pages import Page, check_self_contained, rows_of

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def html(tmp_path: Path) -> str:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "x.png")
    (tmp_path / "broken.png").write_text("no picture")
    events = pl.DataFrame(
        {
            "user_id": [EVIL, EVIL, "b"],
            "item_id": [EVIL, "y", "y"],
            "timestamp": [0, 86_400, 86_400],
            "rating": [1.0, 5.0, 5.0],
            "event": [EVIL, "buy", "buy"],
        }
    )
    items = pl.DataFrame({"item_id": [EVIL, "y", "z"], "title": [EVIL, "A lamp", None], "image": ["x.png", "broken.png", "../secret.png"]})
    triples = pl.DataFrame({"head": [EVIL], "relation": [EVIL], "tail": [EVIL]})
    dataset = Dataset(EVIL, tmp_path, events, items, ("title",), "image", triples, notes=(f"note {EVIL}",))
    write_description(tmp_path / "page.html", describe(dataset, 3), dataset)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_shows_what_was_counted(html: str) -> None:
    page = Page(html)
    text = " ".join(page.text.split())
    for shown in (
        "interactions3users2items3",
        "density50.000%",
        "1970-01-01 00:00:00 to 1970-01-02 00:00:00",
        "A lamp",
        "buy",
        "66.7%",
    ):
        assert shown in text
    over_time, degrees, ratings, coverage = page.charts.items()
    assert over_time[0] == "Interactions over time, per day" and [row["count"] for row in rows_of(over_time[1])] == [1, 2]
    assert [(row["name"], row["count"]) for row in rows_of(ratings[1])] == [("1", 1), ("5", 2)]
    assert {"series": "users", "at_least": 2, "count": 1} in rows_of(degrees[1])
    assert {row["group"]: row["value"] for row in rows_of(coverage[1])}["text"] == 2 / 3
    assert page.open == []


def test_pictures_are_inside_and_those_that_cannot_be_read_left_out(html: str) -> None:
    pictures = [attributes["src"] for tag, attributes in Page(html).tags if tag == "img"]
    assert len(pictures) == 1 and pictures[0].startswith("data:image/jpeg;base64,") and len(pictures[0]) < 4_000


def test_nothing_is_fetched_and_nothing_foreign_runs(html: str) -> None:
    check_self_contained(html)
    assert EVIL not in html and html.count("alert(1)") >= 5


def test_facts_and_cells(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "x", "y"]})
    found = facts(describe(Dataset("d", tmp_path, events, pl.DataFrame({"item_id": ["x", "y", "z"]}), ()), 0))
    assert found == {
        "interactions": "3",
        "users": "2",
        "items": "3",
        "items without interactions": "1",
        "density": "33.333%",
        "repeated user-item pairs": "1",
        "exact duplicate rows": "1",
    }
    assert spread_cells(spread(pl.Series([1, 3]).to_numpy())) == ["1", "1.5", "2", "2.5", "2.98", "3", "2.0", "0.50"]
