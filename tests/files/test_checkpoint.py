"""What is written comes back; what is damaged, cut short or refused by the disk is said, and spoils nothing."""

import errno
import json
import math
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mmrec.files.checkpoint
from mmrec.errors import DamagedCheckpoint, StorageError
from mmrec.files.checkpoint import newest_sound, read_checkpoint, remove_leftovers, write_checkpoint

TABLE = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
STATE = {
    "state_dict": {"a": TABLE, "again": TABLE, "column": TABLE[:, 1], "empty": torch.empty(0, 3), "flag": torch.tensor(True)},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "param_groups": [{"betas": (0.9, 0.999), "lr": 1e-3}]}],
    "best": {"value": 0.1 + 0.2, "worst": -math.inf, "name": "ä/$", "none": None},
    "$": [True, 2**60],
}
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(exclude_categories=["Cs"]))
KEYS = st.text(alphabet="$ab/", max_size=3) | st.integers()
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner), max_leaves=8)


def same(one: Any, other: Any) -> bool:
    """Types, values and bits."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_value_comes_back(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", STATE)
    assert same(read_checkpoint(tmp_path / "one"), STATE)
    assert names(tmp_path) == {"one"} and names(tmp_path / "one") == {"tensors.safetensors", "state.json", "manifest.json"}


@given(tree=TREES)
def test_every_tree_comes_back(tree: Any) -> None:
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(mmrec.files.checkpoint._encode(tree, "", tensors), allow_nan=False)
    assert same(mmrec.files.checkpoint._decode(json.loads(text), tensors), tree)


def test_anything_but_plain_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^best/0: a checkpoint holds tensors and plain values, found PosixPath"):
        write_checkpoint(tmp_path / "one", {"best": [Path("a")]})
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_one_flipped_byte_is_named_and_the_newest_sound_one_found(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        write_checkpoint(folder, STATE)
    raw = bytearray((folders[2] / name).read_bytes())
    raw[-3] ^= 1
    (folders[2] / name).write_bytes(raw)
    with pytest.raises(DamagedCheckpoint, match=rf"^{folders[2] / name}: expected sha256 [0-9a-f]{{64}}, found [0-9a-f]{{64}}$"):
        read_checkpoint(folders[2])
    (folders[0] / "manifest.json").unlink()
    newest, problems = newest_sound(folders)
    assert newest == folders[1] and len(problems) == 1
    assert newest_sound(folders[:1])[0] is None


def test_a_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    for value in (1, 2):
        write_checkpoint(tmp_path / "one", {"value": value})
    assert read_checkpoint(tmp_path / "one") == {"value": 2} and names(tmp_path) == {"one"}


@pytest.mark.parametrize("moment", ["write_tensors", "write_json", "sha256_file", "_move"])
def test_a_full_disk_is_one_message_and_leaves_the_last_as_it_was(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path / "one", {"value": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(mmrec.files.checkpoint, moment, full)
        for name in ("one", "two"):
            with pytest.raises(StorageError, match=rf"^the checkpoint .*{name} could not be written: No space left on device; "):
                write_checkpoint(tmp_path / name, STATE)
    assert names(tmp_path) == {"one"} and read_checkpoint(tmp_path / "one") == {"value": 1}


def test_what_the_system_refuses_is_the_same_message(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", {"value": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(StorageError, match=r"two could not be written: .*File too large"):
            write_checkpoint(tmp_path / "two", {"table": torch.zeros(1 << 19)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == {"one"}


@pytest.mark.parametrize("moment", ["write_json", "sha256_file", "_move"])
def test_a_kill_while_writing_leaves_the_last_and_a_leftover_that_goes(moment: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", {"value": 1})
    if not (pid := os.fork()):
        setattr(mmrec.files.checkpoint, moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        write_checkpoint(tmp_path / "two", {"value": 2})
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert len(names(tmp_path)) == 2 and newest_sound(sorted(tmp_path.glob("[!.]*")))[0] == tmp_path / "one"
    remove_leftovers(tmp_path)
    assert names(tmp_path) == {"one"}


def test_temporary_files_are_beside_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a TMPDIR on another filesystem, or none at all, changes nothing."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    write_checkpoint(tmp_path / "one", STATE)
    assert same(read_checkpoint(tmp_path / "one"), STATE)
