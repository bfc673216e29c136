"""File locks, which the operating system releases when the holding process ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def locked(path: Path, take: Callable[[TextIO], None]) -> Iterator[None]:
    """Hold a lock on the file `path`, which is removed afterwards. `take` locks the open file: it waits or raises."""
    while True:
        with open(path, "a", encoding="utf-8", opener=_without_links) as file:
            take(file)
            if not _is_same(file.fileno(), path):  # the previous holder removed the file
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
