"""Delimited text without a header line is recognised, and read where a person says so."""

from dataclasses import asdict
from pathlib import Path

import pytest

from mmrec.data.discover.guess import guess_settings
from mmrec.data.discover.survey import survey_folder
from mmrec.data.folder.read import open_folder, read_folder
from mmrec.data.ingest.ingest import Ingest
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.split_rules import RULES
from mmrec.errors import ConfigError, DataError

ROWS = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n"
COLUMNS = {"rating": "column_3", "timestamp": "column_4"}


def folder_with(folder: Path, content: str = ROWS) -> str:
    (folder / "interactions.tsv").write_text(content)
    return str(folder)


@pytest.mark.parametrize("content", [ROWS, "1\t1\t5\n2\t1\t4\n", "u1\ti1\t5\t2024-12-31\n"])
def test_a_first_line_that_looks_like_a_row_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"interactions.tsv:1: .*which looks like a row: data.header=false says"):
        read_folder(folder_with(tmp_path, content))
    with pytest.raises(DataError, match=r"which looks like a row: data.header=false says"):
        guess_settings(survey_folder(tmp_path))


def test_without_a_header_the_first_columns_are_the_ids(tmp_path: Path) -> None:
    path = folder_with(tmp_path, "\ufeff" + ROWS + "\n1\t2\n")
    dataset = read_folder(path, header=False)
    assert dataset.interactions.rows() == [("196", "242"), ("186", "302"), ("22", "377"), ("1", "2")]
    assert any("interactions.tsv is read without a header line" in note for note in dataset.notes)


@pytest.mark.parametrize("how", ["settings", "arguments", "one table"])
def test_columns_are_called_by_their_number(tmp_path: Path, how: str) -> None:
    path = folder_with(tmp_path)
    (tmp_path / "items.csv").write_text("item_id,title\n242,Kolya\n" if how == "one table" else "242,Kolya\n")
    layout = {"header": {"interactions": False} if how == "one table" else False, "columns": COLUMNS}
    if how == "settings":
        (tmp_path / "mmrec.yaml").write_text("header: false\ncolumns: {rating: column_3, timestamp: column_4}\n")
        layout = {}
    dataset = read_folder(path, **layout)
    assert dataset.interactions.row(0) == ("196", "242", 881250949, 3.0)
    assert dataset.items.row(0) == ("242", "Kolya")
    swapped = read_folder(path, header=layout.get("header"), columns={"user_id": "column_2", "item_id": "column_1"})
    assert swapped.interactions.row(0)[:2] == ("242", "196")


def test_places_count_from_the_first_line(tmp_path: Path) -> None:
    for broken in ("", '"a\n'):
        with pytest.raises(DataError, match=r"interactions.tsv:2:column_2: expected an id"):
            read_folder(folder_with(tmp_path, "1\t2\n3\t\n" + broken), header=False)


def test_ingest_reads_alike(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    path = folder_with(tmp_path / "shop", "".join(f"u{n}\ti{n % 5}\n" for n in range(50)))
    rule = RULES["random_ratio"](valid_ratio=0.2, test_ratio=0.2, seed=0)
    work = Ingest(open_folder(path, {"header": False}), Filter(None, "first", 1, 1), rule, "stop", None, None)
    manifest, _ = work.into(tmp_path / "out")
    assert manifest["counts"]["interactions"]["kept"] == 50 and asdict(rule)["seed"] == 0
    assert len(read_folder(str(tmp_path / "out")).interactions) == 50


def test_what_header_can_be(tmp_path: Path) -> None:
    for value, said in (
        ("no", "expected true or false"),
        ({"itmes": False}, "did you mean `items`"),
        ({"items": 0}, "expected true or false"),
    ):
        with pytest.raises(ConfigError, match=rf"data.header.*{said}"):
            read_folder(folder_with(tmp_path), header=value)
