"""Pictures called by what a column holds: folders that are there are no globs, and a pattern with many stars takes no time."""

import re
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.data.pictures.names import _value_in, find_pictures
from mmrec.files.store import Folder

PART = st.text("ab*", max_size=4)


@given(PART, PART, st.text("ab", max_size=10))
def test_a_value_is_what_a_regular_expression_finds(before: str, after: str, name: str) -> None:
    one, other = (re.escape(part).replace(r"\*", ".*") for part in (before, after))
    match = re.fullmatch(f"{one}(.+){other}", name)
    assert _value_in(name, before, after) == (match and match[1])


def test_many_stars_take_no_time() -> None:
    start = time.perf_counter()
    assert _value_in("a" * 250, "*a" * 100 + "*b", "*a" * 100) is None
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos[1]/{item_id}.jpg", ["photos[1]/a.jpg", None]),
        ("photos1/{item_id}.*", ["photos1/a.jpg", "photos1/b.jpg"]),
        ("photos[12]/{item_id}.jpg", ["photos1/a.jpg", "photos1/b.jpg"]),
        ("*/[x]?{item_id}.jpg", [None, "photos1/[x]?b.jpg"]),
    ],
)
def test_folders_that_are_there_are_no_globs(tmp_path: Path, pattern: str, found: list[str | None]) -> None:
    for name in ("photos1/a.jpg", "photos1/b.jpg", "photos[1]/a.jpg", "photos1/[x]?b.jpg", "photos1/x_a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    items = pl.DataFrame({"item_id": ["a", "b"]})
    assert find_pictures(Folder(tmp_path, "data.path"), pattern, items, "data.image_column").to_list() == found
