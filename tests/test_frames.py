"""mmrec.frames and Dataset.from_frames: frames of other libraries, what is converted, and what is refused."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from mmrec.errors import DataError
from mmrec.frames import as_frame, as_table
from mmrec.types import Dataset

COLUMNS = {"user_id": [1, 2], "item_id": ["a", "b"]}


class Exporter:
    """A table of a library that exports Arrow streams and nothing else, with an index as pandas names one."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.table = pa.table(columns)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("make", [pl.DataFrame, pl.LazyFrame, pa.table, dict, Exporter])
def test_any_frame_will_do(make: Any) -> None:
    assert as_frame(make(COLUMNS), "interactions").rows() == [(1, "a"), (2, "b")]
    assert as_table(make(COLUMNS), "interactions").rows() == [("1", "a"), ("2", "b")]


def test_the_index_of_pandas_is_no_column() -> None:
    assert as_frame(Exporter({**COLUMNS, "__index_level_0__": [5, 6]}), "items").columns == ["user_id", "item_id"]


@pytest.mark.parametrize("times", [[datetime(1970, 1, 2), datetime(1970, 1, 1)], [date(1970, 1, 2), date(1970, 1, 1)], [86_400, 0]])
def test_times_are_whole_seconds(times: list[Any]) -> None:
    assert as_table({**COLUMNS, "timestamp": times}, "interactions")["timestamp"].to_list() == [86_400, 0]


def test_whole_numbers_that_came_as_floats_are_ids_without_a_point() -> None:
    assert as_table({"item_id": [1.0, 2.0]}, "items")["item_id"].to_list() == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("interactions", {"user_id": [1], "itm_id": [2]}, "interactions: expected a column `item_id`, .*; did you mean `itm_id`"),
        (
            "interactions",
            {"user_id": [1, None], "item_id": [1, 2]},
            r"interactions\.user_id: expected an id in every row, found none in row 2",
        ),
        ("interactions", {**COLUMNS, "rating": ["good", "bad"]}, r"interactions\.rating: expected Float64, found String"),
        ("items", {"item_id": ["a", "a"]}, r"items\.item_id: expected distinct ids, `a` is repeated"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, columns: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        as_table(columns, name)


def test_what_is_no_frame_is_named() -> None:
    with pytest.raises(DataError, match="interactions: expected a frame of Polars, pandas or Arrow, or columns by name, found int"):
        as_frame(3, "interactions")


def test_a_dataset_of_frames_has_every_item_and_its_text_title_first() -> None:
    items = {"item_id": ["a"], "about": ["soft"], "title": ["A lamp"], "price": [3.5], "image": ["a.jpg"]}
    made = Dataset.from_frames(COLUMNS, items=items, triples={"head": ["a"], "relation": ["is"], "tail": ["x"]}, root="/data/shop")
    assert made.name == "shop" and made.text_columns == ("title", "about") and made.image_column == "image"
    assert made.items["item_id"].to_list() == ["a", "b"] and made.items["title"].to_list() == ["A lamp", None]
    assert made.triples is not None and made.users is None
    with pytest.raises(DataError, match="items: expected a column `titel`, found none; did you mean `title`"):
        Dataset.from_frames(COLUMNS, items=items, text_columns=["titel"])
