"""Recognise runs that the user has made on this machine, by the SHA-256 of their config.yaml.

The hashes are the names of empty files below XDG_STATE_HOME (`~/.local/state`), so that a run folder cannot claim to have been made here.
"""

import os
from contextlib import suppress
from pathlib import Path

from mmrec.files.storage import sha256_file


def remember_run(run_dir: Path) -> None:
    """Record the configuration of a run as the user's own. If that fails, the run counts as foreign."""
    with suppress(OSError, RuntimeError):
        noted = _note(run_dir)
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.touch()


def is_made_here(run_dir: Path) -> bool:
    """Whether the configuration of a run, wherever it is now, equals one that the user has trained with."""
    try:
        return _note(run_dir).is_file()
    except (OSError, RuntimeError):
        return False


def _note(run_dir: Path) -> Path:
    """The file of the record. Raises RuntimeError if there is no home folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mmrec" / "runs" / sha256_file(run_dir / "config.yaml")
