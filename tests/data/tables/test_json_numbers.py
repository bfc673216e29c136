"""Ids in JSON lines are the text that the file has, in whatever way the file is read."""

from pathlib import Path

import pytest

from mmrec.data.folder.expected_tables import TABLES
from mmrec.data.tables.columns import read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems

LINES = [
    '{"user_id":9007199254740993,"item_id":"a"}',
    '{"user_id":9007199254740992,"item_id":1}',
    '{"user_id":7.0,"item_id":1.5}',
    '{"user_id":7,"item_id":340282366920938463463374607431768211457}',
    '{"user_id":"7","item_id":1e3}',
]
IDS = [
    ("9007199254740993", "a"),
    ("9007199254740992", "1"),
    ("7.0", "1.5"),
    ("7", "340282366920938463463374607431768211457"),
    ("7", "1e3"),
]


@pytest.mark.parametrize("broken", [[], ["no json"]])
def test_no_two_ids_become_one(tmp_path: Path, broken: list[str]) -> None:
    path, problems = tmp_path / "interactions.jsonl", Problems()
    path.write_text("\n".join([*LINES, *broken]) + "\n")
    assert read_table(open_table(path), TABLES["interactions"], problems).frame.rows() == IDS
    assert len(problems) == len(broken)
