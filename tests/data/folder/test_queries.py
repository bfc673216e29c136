"""Tables of search queries in a folder: read with all columns, counted, and refused by file and line."""

import json
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.folder.write import write_dataset
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError
from mmrec.query_text import MAX_CHARACTERS, query_text

HEADER = "query,item_id,user_id,timestamp,label,channel\n"


def folder(tmp_path: Path, *lines: str) -> Path:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "interactions.csv").write_text("user_id,item_id\nu1,boots\nu2,hat\n")
    (shop / "items.csv").write_text("item_id,title\nboots,Red boots\nhat,Hat\nscarf,Scarf\n")
    (shop / "queries.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return shop


def test_queries_are_read_with_their_further_columns(tmp_path: Path) -> None:
    found = read_folder(str(folder(tmp_path, "Red boots,boots,u1,100,1,web", "warm,scarf,,200,0,app", "007,hat,u9,300,,web")))
    assert found.queries is not None
    assert found.queries.rows() == [
        ("Red boots", "boots", "u1", 100, 1, "web"),
        ("warm", "scarf", None, 200, 0, "app"),
        ("007", "hat", "u9", 300, None, "web"),
    ]
    assert [str(count) for count in found.counts][-1].startswith("queries: 3 rows in = 3 kept + 0 quarantined")


def test_problems_name_file_and_line(tmp_path: Path) -> None:
    long = "a" * 100_000
    shop = folder(tmp_path, "boots,boots,,1,,", "  ,boots,,1,,", f"{long},boots,,1,,", "shoes,bots,,1,,", "shoes,boots,,1,2,")
    with pytest.raises(DataProblems) as caught:
        read_folder(str(shop))
    said = str(caught.value)
    assert len(said) < 3000
    path = shop / "queries.csv"
    assert f"{path}:3:query: expected the text of a query, found none" in said
    assert f"{path}:4:query: expected at most 1,000 characters, found 100,000: `aaaa" in said
    assert f"{path}:5:item_id: expected an item that the items or the interactions name, found `bots`" in said and "`boots`" in said
    assert f"{path}:6:label: expected 0 or 1" in said


def test_unusable_queries_are_quarantined(tmp_path: Path) -> None:
    shop = folder(tmp_path, "boots,boots,,1,,", ",boots,,1,,", "shoes,nothing,,1,,")
    found = read_folder(str(shop), on_error="quarantine", quarantine=str(tmp_path / "q"))
    assert found.queries is not None and found.queries["query"].to_list() == ["boots"]
    assert str(found.counts[-1]).startswith("queries: 3 rows in = 1 kept + 2 quarantined")
    (lines,) = (tmp_path / "q").glob("*/queries.jsonl")
    assert [json.loads(line)["place"].rpartition(":")[2] for line in lines.read_text().splitlines()] == ["3", "4"]


def test_a_column_is_missing(tmp_path: Path) -> None:
    shop = folder(tmp_path)
    (shop / "queries.csv").write_text("text,item_id\nboots,boots\n")
    with pytest.raises(DataError, match=r"queries\.csv: expected a column `query`, found `text`, `item_id`"):
        read_folder(str(shop))
    found = read_folder(str(shop), columns={"query": "text"})
    assert found.queries is not None and found.queries["query"].to_list() == ["boots"]


def test_queries_survive_writing(tmp_path: Path) -> None:
    found = read_folder(str(folder(tmp_path, "boots,boots,u1,1,1,web")))
    write_dataset(found, tmp_path / "copy")
    again = read_folder(str(tmp_path / "copy"))
    assert found.queries is not None and again.queries is not None and again.queries.equals(found.queries)
    assert pl.read_parquet(tmp_path / "copy" / "queries.parquet", glob=False).equals(found.queries)


def test_equal_queries_are_recognised() -> None:
    assert query_text("  Red \t BOOTS\n") == "red boots"
    for text, said in ((" \n", "expected some words, found none"), ("a" * (MAX_CHARACTERS + 1), "at most 1,000 characters, found 1,001")):
        with pytest.raises(ConfigError, match=said):
            query_text(text)
