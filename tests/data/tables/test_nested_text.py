"""Lists, structs and dictionary-encoded values are used as text where they are asked for, and named where they are not."""

from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.tables.columns import Column, read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.nested_text import as_text
from mmrec.data.tables.problems import Problems

INTERACTIONS = "user_id,item_id\nu,a\nv,b\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, 2], "1, 2"),
        ([["a", "b"], ["c"]], "a, b, c"),
        ({"k": "x", "n": {"m": [3, None]}}, "x, 3"),
        ([{"k": "x"}, {"k": None}], "x, "),
        (7, "7"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    frame = pl.DataFrame({"v": [value]})
    assert frame.select(as_text(pl.col("v"), frame.schema["v"])).item() == text


def test_categories_are_texts(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text(INTERACTIONS)
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["x", "y"], "image": ["a.png", None]}).cast(pl.Categorical)
    items.with_columns(tags=pl.Series([["s", "t"], ["s"]]).cast(pl.List(pl.Categorical))).write_parquet(tmp_path / "items.parquet")
    dataset = read_folder(str(tmp_path))
    assert (dataset.text_columns, dataset.image_column) == (("title", "tags"), "image")
    assert dataset.items.rows() == [("a", "x", "a.png", "s, t"), ("b", "y", None, "s")]


def test_nested_columns_are_named_until_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text(INTERACTIONS)
    pl.DataFrame({"item_id": ["a"], "sizes": [[1, 2]], "about": [{"k": "x"}]}).write_parquet(tmp_path / "items.parquet")
    assert [note for note in read_folder(str(tmp_path)).notes if "`sizes` (List), `about` (Struct) are not used as text" in note]
    dataset = read_folder(str(tmp_path), text_columns=["about", "sizes"])
    assert dataset.items.filter(item_id="a").select("about", "sizes").rows() == [("x", "1, 2")]


@pytest.mark.parametrize(("dtype", "n_bad"), [(pl.Float64, 1), (pl.Float32, 2)])
def test_floating_point_ids_are_whole_and_exact_or_problems(tmp_path: Path, dtype: pl.DataType, n_bad: int) -> None:
    pl.DataFrame({"user_id": [7.0, 2.0**24, 2.0**53]}).cast(dtype).write_parquet(tmp_path / "t.parquet")
    problems = Problems()
    found = read_table(open_table(tmp_path / "t.parquet"), [Column("user_id", "id")], problems)
    assert found.frame["user_id"].to_list() == ["7", "16777216"][: 3 - n_bad]
    assert len(problems) == n_bad
    assert "only whole ones below 2^53" in str(problems)
