"""Allow one training at a time in a run folder."""

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
    """Lock the run folder, which is created if missing and removed afterwards if it is still empty.

    Among several processes of one training, the first one holds the lock. Raises ConfigError, naming the `key` of the folder, if another
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
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock, which forked processes would inherit and may outlive
        except (BlockingIOError, PermissionError):
            holder = path.read_text(encoding="utf-8", errors="replace").strip()[:100] or "another process"
            raise ConfigError(f"{key}: {holder} is training in {run_dir}; wait until it ends, or choose another folder") from None
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
    """The rank of this process among those of a launcher, from its environment variable; 0 if there is none."""
    variables = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
    return next((int(os.environ[name]) for name in variables if name in os.environ), 0)
