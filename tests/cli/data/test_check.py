"""`mmrec data check`: everything that is wrong at once, for people and for programs, and an exit code that says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from PIL import Image

from mmrec.cli.data.check import check_command
from mmrec.errors import ConfigError, DataError, MissingFile

Compose = Callable[..., DictConfig]
Check = Callable[..., dict]
FILES = {
    "interactions.csv": "user_id,item_id,timestamp\nanna,a,100\nbert,b,200\nanna,c,300\n",
    "items.csv": "item_id,title,image\na,A lamp,a.png\nb,A chair,b.png\nd,A bed,../d.png\ne,A rug,e.png\nf,A box,\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def run(folder: Path, compose: Compose) -> Check:
    return lambda *overrides: check_command(compose("data=folder", f"data.path={folder}", *overrides, name="check"))


def test_a_sound_folder_with_its_notes_and_pictures(run: Check, capsys: pytest.CaptureFixture[str]) -> None:
    found = run()
    assert found["sound"] and found["count"] == 0 and found["first"] == []
    assert found["notes"][0] == "interactions: 3 rows in = 3 kept + 0 quarantined + 0 deduplicated + 0 filtered"
    assert found["notes"][-1:] == ["1 of 6 items only occur in the interactions and have no further information"]
    assert [(one["code"], one["count"]) for one in found["pictures"]["counts"]] == [("missing-picture", 2), ("unreadable-picture", 1)]
    printed = capsys.readouterr().out
    for said in ("item `d`: ../d.png: lies outside", "item `e`: e.png: there is no such file", "item `b`: the bytes are not a picture"):
        assert said in printed
    assert ": no problems; 3 interactions, 2 users, 6 items" in printed and "note: 1 of 6 items" in printed


def test_pictures_of_the_web_are_not_asked_for(run: Check, folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title,image\na,A lamp,https://shop.example/a.png\nb,B,gone.png\nc,C,\n")
    assert [(one["code"], one["count"]) for one in run()["pictures"]["counts"]] == [("missing-picture", 1)]


def test_pictures_need_not_be_decoded(run: Check) -> None:
    assert [one["code"] for one in run("pictures=false")["pictures"]["counts"]] == ["missing-picture"]


def test_all_problems_of_all_files_at_once(run: Check, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\nanna,a,noon\n,b,200\nanna,c,300\nanna,a,b,c\n")
    (folder / "items.csv").write_text(FILES["items.csv"] + "a,Again,a.png\n")
    with pytest.raises(DataError, match=r": 4 problems; training would stop here"):
        run(f"json={tmp_path / 'out' / 'found.json'}")
    found = json.loads((tmp_path / "out" / "found.json").read_text())
    assert not found["sound"] and found["count"] == 4
    assert {(one["code"], one["place"].removeprefix(f"{folder}/")) for one in found["first"]} == {
        ("no-time", "interactions.csv:2:timestamp"),
        ("no-id", "interactions.csv:3:user_id"),
        ("too-many-fields", "interactions.csv:5"),
        ("repeated-id", "items.csv:7:item_id"),
    }
    assert all(one["reason"] and one["remedy"] for one in found["first"])
    assert found["pictures"]["count"] == 3 and found["notes"]  # what can be used is looked at all the same
    printed = capsys.readouterr().out
    assert "interactions.csv:2:timestamp: expected a time" in printed and "found `noon` [no-time]" in printed
    assert f"      1 no-time in {folder}/interactions.csv:timestamp: write seconds since 1970" in printed


def test_beyond_a_hundred_they_are_counted(run: Check, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\nanna,a,1\n" + "anna,a,noon\n" * 250)
    with pytest.raises(DataError, match=r": 250 problems"):
        run()
    printed = capsys.readouterr().out
    assert printed.count("[no-time]") == 100 and "150 more are counted above, but not shown" in printed


def test_a_table_that_cannot_be_read_is_one_problem(run: Check, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items.csv").write_text("sku,title\na,A lamp\n")
    with pytest.raises(DataError, match=r": 1 problem; "):
        run("json=-")
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [one["code"] for one in found["first"]] == ["unusable"] and "expected a column `item_id`" in found["first"][0]["reason"]
    assert "expected a column `item_id`" in err


def test_rows_without_any_left_are_told_too(run: Check, folder: Path) -> None:
    (folder / "triples.csv").write_text("head,relation,tail\nx,is,\ny,is,z\n")
    with pytest.raises(DataError, match=r": 2 problems"):
        run()


def test_what_is_set_aside_is_no_problem(run: Check, folder: Path, tmp_path: Path) -> None:
    (folder / "interactions.csv").write_text(FILES["interactions.csv"] + "anna,a,noon\n")
    found = run("data.on_error=quarantine", f"data.quarantine={tmp_path / 'aside'}")
    assert found["sound"] and any("1 quarantined" in note for note in found["notes"])
    assert list((tmp_path / "aside").rglob("interactions.jsonl"))


def test_checking_sets_nothing_aside_by_itself(run: Check, folder: Path, tmp_path: Path) -> None:
    (folder / "interactions.csv").write_text(FILES["interactions.csv"] + "anna,a,noon\n")
    with pytest.raises(DataError):
        run(f"data.quarantine={tmp_path / 'aside'}")
    assert not (tmp_path / "aside").exists()


def test_no_folder_and_wrong_keys_are_plain_errors(compose: Compose, run: Check, folder: Path) -> None:
    with pytest.raises(MissingFile, match="did you mean"):
        check_command(compose("data=folder", f"data.path={str(folder)[:-1]}", name="check"))
    with pytest.raises(ConfigError, match=r"data.columns.rating: there is no column `stars`"):
        run("data.columns.rating=stars")
    (folder / "interactions.csv").unlink()
    with pytest.raises(MissingFile, match=r"interactions.csv does not exist; .*`mmrec data init .*` guesses which"):
        run()
