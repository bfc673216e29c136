"""Which runs a person has made themselves, on this machine: the sha256 of the config.yaml of each, as the names of empty files.

They are kept below XDG_STATE_HOME (`~/.local/state`), so that no run folder can say of itself that it was made here.
"""

import os
from contextlib import suppress
from pathlib import Path

from mmrec.files.storage import sha256_file


def remember_run(run_dir: Path) -> None:
    """Notes the configuration of a run as this person's own. Where that cannot be kept, the run merely counts as anybody's."""
    with suppress(OSError, RuntimeError):
        noted = _note(run_dir)
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.touch()


def is_made_here(run_dir: Path) -> bool:
    """Whether the configuration of a run, wherever it lies now, is to the byte one that this person has trained with."""
    try:
        return _note(run_dir).is_file()
    except (OSError, RuntimeError):
        return False


def _note(run_dir: Path) -> Path:
    """Raises RuntimeError where there is no home folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mmrec" / "runs" / sha256_file(run_dir / "config.yaml")
