"""Raw tables: what each format gives, and that every broken file ends in a message with its line."""

from pathlib import Path

import polars as pl
import pytest

from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems
from mmrec.errors import DataError, MissingFile
from mmrec.files.locate import find_table


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", ["a,b\n1,x\n2,y\n", "\ufeffa,b\r\n1,x\r\n2,y\r\n", "a,b\n1,x\n\n2,y\n,\n\n"])
def test_csv_with_byte_order_mark_windows_ends_and_blank_lines(tmp_path: Path, content: str) -> None:
    table = open_table(write(tmp_path, "t.csv", content))
    assert table.columns == ["a", "b"]
    assert table.frame.rows() == [("1", "x"), ("2", "y")]


def test_place_counts_lines_not_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", 'a,b\n1,"two\nlines"\n\n2,y\n')
    assert [open_table(path).place(row) for row in (0, 1)] == [f"{path}:2", f"{path}:5"]
    path = write(tmp_path, "t.jsonl", '{"a": 1}\n\n{"a": 2}\n')
    assert [open_table(path).place(row) for row in (0, 1)] == [f"{path}:1", f"{path}:3"]


def test_lone_quotes_inside_of_fields_are_text(tmp_path: Path) -> None:
    frame = open_table(write(tmp_path, "t.csv", 'a,b\n1,5" screen\n2,6" screen\n3,"a ""b"""\n4\n')).frame
    assert frame.rows() == [("1", '5" screen'), ("2", '6" screen'), ("3", 'a "b"'), ("4", None)]


def test_tsv_and_quoting_off(tmp_path: Path) -> None:
    path = write(tmp_path, "t.inter", 'a\tb\n1\t"x\n2\ty"\n')
    assert open_table(path, separator="\t", quote_char=None).frame.rows() == [("1", '"x'), ("2", 'y"')]
    assert open_table(write(tmp_path, "t.tsv", "a\tb\n1\tx\n")).frame.rows() == [("1", "x")]


def test_jsonl_with_absent_keys_and_mixed_types(tmp_path: Path) -> None:
    frame = open_table(write(tmp_path, "t.jsonl", '{"a": 1, "b": ["x", "y"]}\n{"a": "007"}\n')).frame
    assert frame["a"].to_list() == ["1", "007"]
    assert frame["b"].to_list() == [["x", "y"], None]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", "", "t.csv: expected a header line"),
        ("t.csv", "a,a\n1,2\n", "t.csv:1: the column `a` is repeated"),
        ("t.csv", "a,b\n1,2\n3,4,5\n", "t.csv:3: expected 2 fields, as the header has, found 3"),
        ("t.csv", 'a,b\n1,x\n2,"y\n3,z\n', "t.csv:3: the quotes of this row don't match"),
        ("t.jsonl", "", "t.jsonl: expected one JSON object a line"),
        ("t.jsonl", '{"a": 1}\n\n{"a": }\n', "t.jsonl:3:7: not JSON"),
        ("t.jsonl", '{"a": ' + "[" * 400 + "]" * 400 + "}\n", "t.jsonl:1: lists and objects are nested more than 64 deep"),
        ("t.jsonl", '{"a": 1}\n[1]\n', r"t.jsonl:2: expected a JSON object, found `\[1\]`"),
        ("t.parquet", "a,b\n", "t.parquet: not a Parquet file"),
        (
            "t.xlsx",
            "",
            "expected a file that ends in .csv, .tsv, .txt, .jsonl, .parquet, .nt, .ttl, .graphml, each perhaps with .gz or .zst, found",
        ),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str | bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        _ = open_table(write(tmp_path, name, content)).frame


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert table.columns == ["a"]
    assert table.frame["a"].dtype == pl.Int64
    assert table.place(1) == f"{tmp_path}/t.parquet:row 2"


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "interaction.csv", "")
    with pytest.raises(MissingFile, match=r"did you mean `interaction\.csv`"):
        open_table(tmp_path / "interactions.csv")
    (tmp_path / "my_shop").mkdir()
    with pytest.raises(MissingFile, match=r"there is no .*/my_shpo; did you mean `my_shop`"):
        open_table(tmp_path / "my_shpo" / "deeper" / "items.csv")


def test_find_table(tmp_path: Path) -> None:
    assert find_table(tmp_path, "items") is None
    path = write(tmp_path, "items.jsonl", "")
    assert find_table(tmp_path, "items") == path
    write(tmp_path, "items.csv", "")
    with pytest.raises(DataError, match=r"expected one `items` table, found items.csv and items.jsonl"):
        find_table(tmp_path, "items")


def test_thousands_of_badly_quoted_rows_are_named_each(tmp_path: Path) -> None:
    path, problems = write(tmp_path, "t.csv", "a,b\n" + '"u"x,i\n' * 5_000 + "1,2\n"), Problems()
    assert open_table(path).salvage(problems).collect().rows() == [("1", "2")]
    assert len(problems) == 5_000
    assert problems.shown[1].place == f"{path}:3"


def test_blank_rows_of_a_wide_table_are_left_out(tmp_path: Path) -> None:
    n = 500
    path = write(tmp_path, "t.csv", ",".join(f"c{k}" for k in range(n)) + "\n" + "," * (n - 1) + "\n" + '"",' + "," * (n - 2) + "x\n")
    frame = open_table(path).frame
    assert frame.shape == (1, n)
    assert frame.item(0, n - 1) == "x"
