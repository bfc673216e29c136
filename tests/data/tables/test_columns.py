"""Typed columns: ids stay text, times become seconds, and every bad value is named with its place."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.tables.columns import Column, read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems
from mmrec.data.tables.raw import TableFile
from mmrec.errors import DataError

COLUMNS = (
    Column("user_id", "id"),
    Column("item_id", "id"),
    Column("timestamp", "seconds", optional=True),
    Column("rating", "number", optional=True),
    Column("label", "binary", optional=True),
    Column("position", "whole", optional=True),
    Column("propensity", "share", optional=True),
)


def read(table: TableFile, columns: Sequence[Column], names: dict[str, str] | None = None, others: bool = False) -> pl.DataFrame:
    """The frame; all that is wrong is raised."""
    problems = Problems()
    found = read_table(table, columns, problems, names, others)
    problems.raise_any()
    return found.frame


def csv_table(folder: Path, content: str) -> TableFile:
    (folder / "t.csv").write_text(content)
    return open_table(folder / "t.csv")


def parquet_table(folder: Path, columns: dict[str, list]) -> TableFile:
    pl.DataFrame(columns).write_parquet(folder / "t.parquet")
    return open_table(folder / "t.parquet")


def test_csv_types(tmp_path: Path) -> None:
    frame = read(csv_table(tmp_path, "item_id,user_id,rating,timestamp\n007,1,4.5,881250949.0\n7,x y,,10\n"), COLUMNS)
    assert frame.schema == {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64}
    assert frame.rows() == [("1", "007", 881250949, 4.5), ("x y", "7", 10, None)]


def test_labels_and_positions(tmp_path: Path) -> None:
    frame = read(csv_table(tmp_path, "user_id,item_id,label,position\n1,2,0,3\n1,3,True,\n1,4,,7.0\n"), COLUMNS)
    assert frame.schema == {"user_id": pl.String, "item_id": pl.String, "label": pl.Int64, "position": pl.Int64}
    assert frame.select("label", "position").rows() == [(0, 3), (1, None), (None, 7)]
    typed = {"user_id": ["1"] * 3, "item_id": ["2"] * 3, "label": [True, None, False], "position": [1.0, float("nan"), 2.0]}
    assert read(parquet_table(tmp_path, typed), COLUMNS).select("label", "position").rows() == [(1, 1), (None, None), (0, 2)]


def test_whole_numbers_become_text_in_typed_files(tmp_path: Path) -> None:
    frame = read(parquet_table(tmp_path, {"user_id": [1, 20], "item_id": [3.0, 4.0]}), COLUMNS)
    assert frame.rows() == [("1", "3"), ("20", "4")]
    (tmp_path / "t.jsonl").write_text('{"user_id": 7, "item_id": "007"}\n{"user_id": "7", "item_id": 8}\n')
    assert read(open_table(tmp_path / "t.jsonl"), COLUMNS).rows() == [("7", "007"), ("7", "8")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("881250949.9", 881250949),
        ("8.8e8", 880000000),
        ("-1.5", -2),
        ("1970-01-02", 86400),
        ("1970-01-01T00:01:00", 60),
        ("1970-01-01 00:01:00.9Z", 60),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_times(tmp_path: Path, text: str, seconds: int) -> None:
    frame = read(csv_table(tmp_path, f"user_id,item_id,timestamp\n1,2,{text}\n"), COLUMNS)
    assert frame["timestamp"].to_list() == [seconds]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(datetime(1970, 1, 1, 0, 0, 5), 5), (datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), 5), (date(1970, 1, 2), 86400), (6.5, 6)],
)
def test_times_of_typed_files(tmp_path: Path, value: object, seconds: int) -> None:
    frame = read(parquet_table(tmp_path, {"user_id": ["1"], "item_id": ["2"], "timestamp": [value]}), COLUMNS)
    assert frame["timestamp"].to_list() == [seconds]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("user_id,item_id,rating\n1,2,3\n1,3,good\n2,3,bad\n", "t.csv:3:rating: expected a number, found `good` [no-number]\n"),
        ("user_id,item_id,label\n1,2,1\n1,3,2\n", "t.csv:3:label: expected 0 or 1 (or false or true), found `2` [no-label]"),
        ("user_id,item_id,label\n1,2,maybe\n", "t.csv:2:label: expected 0 or 1 (or false or true), found `maybe` [no-label]"),
        (
            "user_id,item_id,propensity\n1,2,0\n",
            "t.csv:2:propensity: expected a probability above 0 and at most 1, found `0` [no-probability]",
        ),
        (
            "user_id,item_id,propensity\n1,2,0.5\n1,3,1.01\n",
            "t.csv:3:propensity: expected a probability above 0 and at most 1, found `1.01` [no-probability]",
        ),
        ("user_id,item_id,position\n1,2,1.5\n", "t.csv:2:position: expected a whole number of at least 0, found `1.5` [no-whole-number]"),
        ("user_id,item_id,position\n1,2,-1\n", "t.csv:2:position: expected a whole number of at least 0, found `-1`"),
        ("user_id,item_id,rating\n1,2,inf\n", "t.csv:2:rating: expected a number, found `inf` [no-number]"),
        (
            "user_id,item_id\n1,2\n\n3,\n",
            "t.csv:4:item_id: expected an id (any text, or a whole number), found nothing [no-id]",
        ),
        (
            "user_id,item_id,timestamp\n1,2,yesterday\n",
            "t.csv:2:timestamp: expected a time (seconds or milliseconds since 1970 UTC, or ISO 8601), found `yesterday`",
        ),
        ("user_id,item_id,timestamp\n1,2,\n", "found nothing"),
        (
            "user_id,item_id,timestamp\n1,2,1700000000000\n1,3,1700000000\n1,4,1700000002000\n",
            (
                "t.csv:3:timestamp: expected a time in the unit of most rows, found `1700000000`, "
                "whose magnitude suggests another unit [mixed-time-units]"
            ),
        ),
        ("user_id,item_id,timestamp\n1,2,2020-01-01\n1,3,1700000000\n", "t.csv:3:timestamp: expected a time"),
        ("user_id,itm_id\n1,2\n", "t.csv: expected a column `item_id`, found `user_id`, `itm_id`; did you mean `itm_id`?"),
        ("user_id;item_id|x\n1;2|3\n", "t.csv:1: expected columns `user_id`, `item_id`, the file has one column `user_id;item_id|x`"),
    ],
)
def test_errors_name_place_value_and_count(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(DataError) as raised:
        read(csv_table(tmp_path, content), COLUMNS)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"user_id": ["1", None], "item_id": ["2", "3"]}, "t.parquet:row 2:user_id: expected an id"),
        ({"user_id": [1.5], "item_id": ["2"]}, "found `1.5`"),
        ({"user_id": [{"a": 1}], "item_id": ["2"]}, "t.parquet:row 1:user_id: expected an id"),
        ({"user_id": ["1"], "item_id": ["2"], "rating": [[1.0]]}, "t.parquet:row 1:rating: expected a number"),
        ({"user_id": ["1"], "item_id": ["2"], "timestamp": [True]}, "t.parquet:row 1:timestamp: expected a time"),
    ],
)
def test_typed_files_with_wrong_types(tmp_path: Path, columns: dict[str, list], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(parquet_table(tmp_path, columns), COLUMNS)


@pytest.mark.parametrize("blank", [" ", "\u3000 ", "\t", "\u200b", "\ufeff", " \u200b ", "\u00ad"])
def test_an_id_that_nobody_can_see_is_none(tmp_path: Path, blank: str) -> None:
    with pytest.raises(DataError, match=r"t.csv:3:item_id: expected an id \(any text, or a whole number\), found"):
        read(csv_table(tmp_path, f"user_id,item_id\n1,a{blank}a\n1,{blank}\n"), COLUMNS)
    with pytest.raises(DataError, match=r"t.parquet:row 1:user_id: expected an id"):
        read(parquet_table(tmp_path, {"user_id": [blank], "item_id": ["a"]}), COLUMNS)


def test_pandas_writes_nan_for_no_rating(tmp_path: Path) -> None:
    frame = read(parquet_table(tmp_path, {"user_id": ["1", "2"], "item_id": ["2", "3"], "rating": [float("nan"), 2.0]}), COLUMNS)
    assert frame["rating"].to_list() == [None, 2.0]


def test_names_of_the_file(tmp_path: Path) -> None:
    names = {"item_id": "sku", "user_id": "customer"}
    frame = read(csv_table(tmp_path, "customer,item_id,sku\n1,ignored,2\n"), COLUMNS, names, others=True)
    assert frame.to_dicts() == [{"user_id": "1", "item_id": "2"}]
    with pytest.raises(DataError, match="expected a column `sku`, found `customer`, `skku`; did you mean `skku`"):
        read(csv_table(tmp_path, "customer,skku\n1,2\n"), COLUMNS, names)
    with pytest.raises(DataError, match=r"t\.csv:2:sku: expected an id"):
        read(csv_table(tmp_path, "customer,sku\n1,\n"), COLUMNS, names)


def test_other_columns(tmp_path: Path) -> None:
    item = (Column("item_id", "id"),)
    frame = read(csv_table(tmp_path, "item_id,price,year,zip,title,empty\n1,2.5,1995,0123,1984,\n2,,1996,45,Emma,\n"), item, others=True)
    assert frame.schema == {
        "item_id": pl.String, "price": pl.Float64, "year": pl.Int64, "zip": pl.String, "title": pl.String, "empty": pl.String,
    }  # fmt: skip
    assert frame.rows() == [("1", 2.5, 1995, "0123", "1984", None), ("2", None, 1996, "45", "Emma", None)]
    (tmp_path / "t.jsonl").write_text('{"item_id": 1, "year": "1995", "genres": ["Drama", "War"]}\n')
    frame = read(open_table(tmp_path / "t.jsonl"), item, others=True)
    assert frame.rows() == [("1", "1995", "Drama, War")]
    assert read(open_table(tmp_path / "t.jsonl"), item).columns == ["item_id"]


def test_a_time_may_be_missing_where_the_column_says_so(tmp_path: Path) -> None:
    columns = (Column("user_id", "id"), Column("timestamp", "seconds", optional=True, nullable=True))
    assert read(csv_table(tmp_path, "user_id,timestamp\n1,\n2,1970-01-02\n3, \n"), columns)["timestamp"].to_list() == [None, 86400, None]
    assert read(csv_table(tmp_path, "user_id,timestamp\n1,\n2,1700000000000\n"), columns)["timestamp"].to_list() == [None, 1700000000]
    assert read(csv_table(tmp_path, "user_id,timestamp\n1,\n"), columns).schema["timestamp"] == pl.Int64
    assert read(parquet_table(tmp_path, {"user_id": ["1", "2"], "timestamp": [None, 5]}), columns)["timestamp"].to_list() == [None, 5]
    with pytest.raises(DataError, match=r"t.csv:3:timestamp: expected a time .*, found `soon`"):
        read(csv_table(tmp_path, "user_id,timestamp\n1,\n2,soon\n"), columns)
