"""Locks that are files: the system releases one when the process that holds it ends, however it ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def locked(path: Path, take: Callable[[TextIO], None]) -> Iterator[None]:
    """Holds the file `path`, which is removed at the end. `take` locks the open file: it waits, or raises what `locked` then raises."""
    while True:
        with open(path, "a", encoding="utf-8", opener=_without_links) as file:
            take(file)
            if not _is_same(file.fileno(), path):  # it was another's, who is done with it
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
