"""One training at a time in a run folder."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mmrec.errors import ConfigError
from mmrec.files.lock import locked

LOCK = ".lock"


@contextmanager
def lock_run(run_dir: Path, key: str) -> Iterator[None]:
    """Holds the run folder, which is made where it is missing; a folder that is still empty at the end is removed again.

    Of several processes of one training the first holds it. Raises ConfigError, under the `key` that names the folder, where another
    process trains there.
    """
    if _rank():
        yield
        return
    missing = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / LOCK

    def take(file: TextIO) -> None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: forked processes would hold that, and may live on
        except (BlockingIOError, PermissionError):
            holder = path.read_text(encoding="utf-8", errors="replace").strip()[:100] or "another process"
            raise ConfigError(f"{key}: {holder} trains in {run_dir} now; wait for its end, or name another folder") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()

    try:
        with locked(path, take):
            yield
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


def _rank() -> int:
    """The number of this process among those that a launcher started together, as its variable says; 0 where there is none."""
    variables = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
    return next((int(os.environ[name]) for name in variables if name in os.environ), 0)
