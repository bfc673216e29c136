"""A file of a data folder that is read as nothing is named, with what to do about it."""

from pathlib import Path

import pytest

from mmrec.data.discover.guess import guess_settings
from mmrec.data.discover.survey import survey_folder
from mmrec.data.folder.read import open_folder, read_folder
from mmrec.errors import DataError, MissingFile

MOVIELENS = "1::1193::5::978300760\n"


def folder_with(folder: Path, *names: str, content: str = "") -> Path:
    (folder / "interactions.csv").write_text("user_id,item_id\nu,i\n")
    for name in names:
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("items.CSV", "items.CSV (call it .csv, in small letters)"),
        ("items.JSONL.gz", "items.JSONL.gz (call it .jsonl, in small letters)"),
        ("items.json", "items.json (write one JSON object a line into a .jsonl)"),
        ("items.xlsx", "items.xlsx (save it as .csv)"),
        ("triples.rdf", "triples.rdf (convert it to Turtle (.ttl) or N-Triples (.nt))"),
        ("ratings.dat", "ratings.dat (call it .tsv, or .csv)"),
        ("item.csv", "item.csv"),
    ],
)
def test_what_is_not_read_is_a_note_with_a_remedy(tmp_path: Path, name: str, said: str) -> None:
    (note,) = read_folder(str(folder_with(tmp_path, name))).notes
    assert note == f"{tmp_path}: not read, since they are not known to be tables: {said}"


def test_what_is_read_or_can_be_no_table_is_left_alone(tmp_path: Path) -> None:
    folder_with(tmp_path, "README.txt", "notes.md", "a.png", ".hidden.csv", "ingest.json")
    (tmp_path / "users.csv").write_text("user_id\nu\n")
    (tmp_path / "part-1.csv").write_text("item_id\ni\n")
    (tmp_path / "pictures").mkdir()
    assert read_folder(str(tmp_path), tables={"items": "part-*.csv"}).notes == ()


def test_many_are_counted(tmp_path: Path) -> None:
    (note,) = read_folder(str(folder_with(tmp_path, *(f"{n:02}.csv" for n in range(20))))).notes
    assert note.endswith(": 00.csv, 01.csv, 02.csv, 03.csv, 04.csv, 05.csv, 06.csv, 07.csv, … (12 more)")


def test_movielens_with_its_colons_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text(MOVIELENS)
    hint = "data=movielens_1m reads MovieLens with its `::`"
    with pytest.raises(MissingFile, match=hint):
        open_folder(str(tmp_path), {})
    with pytest.raises(DataError, match=hint):
        read_folder(str(tmp_path), tables={"interactions": "ratings.dat"})
    with pytest.raises(DataError, match=hint):
        guess_settings(survey_folder(tmp_path))
