"""mmrec.files.storage: a write happens whole or not at all, and a hash is of content alone."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.errors import StorageError
from mmrec.files.storage import (
    check_writable,
    sha256_file,
    sha256_frame,
    sha256_text,
    temporary_beside,
    write_atomic,
    write_json,
    write_parquet,
    write_tensors,
    write_text,
)

PARTS = st.lists(st.text("ab\0é", max_size=4), max_size=4)


def write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError("the power went")


@pytest.mark.parametrize("existed", [True, False])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path, existed: bool) -> None:
    target = tmp_path / "metrics.json"
    if existed:
        write_text(target, "old")
    with pytest.raises(RuntimeError, match="the power went"):
        write_atomic(target, write_half)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"] * existed
    assert not existed or target.read_text() == "old"


def test_a_reader_meanwhile_sees_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == target.parent  # a rename across file systems would be no rename

    write_atomic(target, write)
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_json_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    write_json(target, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"loss": float("nan")})
    assert json.loads(target.read_text()) == {"loss": 1.0}


def test_json_keeps_the_order_and_the_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": "é", "a": [1]})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "z": "é",\n  "a": [\n    1\n  ]\n}\n'.encode()


def test_missing_folders_are_made(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one" / "a.txt"
    write_text(target, "é\n")
    assert target.read_bytes() == b"\xc3\xa9\n"


def test_tables_and_tensors_come_back(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["a", None], "rating": [0.1, 2.0]})
    write_parquet(tmp_path / "a.parquet", frame)
    assert pl.read_parquet(tmp_path / "a.parquet").equals(frame)
    write_tensors(tmp_path / "a.safetensors", {"x": torch.arange(3)}, {"encoder": "minilm"})
    assert safetensors.torch.load_file(tmp_path / "a.safetensors")["x"].tolist() == [0, 1, 2]
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == {"encoder": "minilm"}


@settings(deadline=None)
@given(PARTS, PARTS)
def test_no_two_lists_of_texts_collide(left: list[str], right: list[str]) -> None:
    assert (sha256_text(*left) == sha256_text(*right)) == (left == right)


@pytest.mark.parametrize(("left", "right"), [(["ab", "c"], ["a", "bc"]), (["", "a"], ["a", ""]), ([], [""]), (["a\0"], ["a", ""])])
def test_where_a_text_ends_is_part_of_the_hash(left: list[str], right: list[str]) -> None:
    assert sha256_text(*left) != sha256_text(*right)


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    raw = bytes(range(256)) * 2000
    (tmp_path / "a").write_bytes(raw)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(raw).hexdigest()


def test_the_hash_of_a_table_is_of_names_and_values(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["x", "y"], "b": [1.5, None]})
    write_parquet(tmp_path / "a.parquet", frame)
    chunked = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert sha256_frame(frame) == sha256_frame(pl.read_parquet(tmp_path / "a.parquet")) == sha256_frame(chunked)
    others = [frame.rename({"a": "c"}), frame.reverse(), frame.select("b", "a"), frame.head(1), frame.fill_null(0.0)]
    assert len({sha256_frame(other) for other in [frame, *others]}) == 6
    assert sha256_frame(pl.DataFrame({"a": [None, "x"]})) != sha256_frame(pl.DataFrame({"a": ["", "x"]}))


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    mine = temporary_beside(tmp_path / "t.json")
    of_dead = mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{child.pid}."))
    of_other_machine = tmp_path / f".t.json.elsewhere.{child.pid}.tmp"
    (tmp_path / f".folder{of_dead.name.removeprefix('.t.json')}").mkdir()
    for path in (mine, of_dead, of_other_machine):
        path.write_text("half")
    write_text(tmp_path / "other.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, of_other_machine.name, "other.txt"])


def test_a_folder_that_takes_no_files_is_found_out_without_a_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "run", "run_dir")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for place, reason in (
        (tmp_path / "file" / "run", "Not a directory"),
        (Path("/proc/nope"), "No such file"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(StorageError, match=rf"^run_dir: .* cannot be written \(.*{reason}"):
            check_writable(place, "run_dir")
