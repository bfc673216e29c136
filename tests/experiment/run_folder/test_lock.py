"""Two trainings in one run folder: the second is refused, and a lock ends with its process."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.lock import LOCK, lock_run

FORK = multiprocessing.get_context("fork")
"""Importing mmrec takes far longer than what is tested."""


def hold(folder: Path, is_held: Event) -> None:
    with lock_run(folder, "run_dir"):
        is_held.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[BaseProcess]:
    """Another process that holds `tmp_path / "run"`."""
    is_held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "run", is_held))
    process.start()
    assert is_held.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_folder_that_another_process_holds_is_refused(holder: BaseProcess, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=rf"^resume: process {holder.pid} on .* is training in .*run; "),
        lock_run(tmp_path / "run", "resume"),
    ):
        pass
    assert holder.is_alive() and (tmp_path / "run" / LOCK).is_file()


def test_a_process_that_is_killed_holds_nothing(holder: BaseProcess, tmp_path: Path) -> None:
    holder.kill()
    holder.join()
    with lock_run(tmp_path / "run", "run_dir"):
        assert str(os.getpid()) in (tmp_path / "run" / LOCK).read_text()
    assert not list((tmp_path / "run").iterdir())


def test_what_was_made_for_nothing_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock_run(tmp_path / "runs" / "run", "run_dir"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with lock_run(tmp_path / "runs" / "run", "run_dir"):
        (tmp_path / "runs" / "run" / "config.yaml").touch()
    assert [path.name for path in (tmp_path / "runs" / "run").iterdir()] == ["config.yaml"]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"), lock_run(tmp_path, "run_dir"):
        pass
    assert not (tmp_path / "other").exists()


def test_the_other_processes_of_one_training_do_not_wait_for_the_first(
    holder: BaseProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with lock_run(tmp_path / "run", "run_dir"):
        assert holder.is_alive()
