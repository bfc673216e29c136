"""Two trainings in one run folder: the second is refused, and a lock ends with its process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.lock import LOCK, lock_run

HOLD = "import sys, time\nfrom pathlib import Path\nfrom mmrec.experiment.run_folder.lock import lock_run\n"
HOLD += "with lock_run(Path(sys.argv[1]), 'run_dir'):\n    print('held', flush=True)\n    time.sleep(600)\n"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Another process that holds `tmp_path / "run"`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_that_another_process_holds_is_refused(holder: subprocess.Popen, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=rf"^resume: process {holder.pid} on .* trains in .*run now; "),
        lock_run(tmp_path / "run", "resume"),
    ):
        pass
    assert holder.poll() is None and (tmp_path / "run" / LOCK).is_file()


def test_a_process_that_is_killed_holds_nothing(holder: subprocess.Popen, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
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
    holder: subprocess.Popen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with lock_run(tmp_path / "run", "run_dir"):
        assert holder.poll() is None
