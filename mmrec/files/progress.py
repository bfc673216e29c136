"""Report the progress of long operations through a single hook. By default nothing is reported; the command line installs a hook."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

_T = TypeVar("_T")
Update = Callable[[int, int | None], None]
"""Called with the amount done so far, and the total (None if unknown)."""
Hook = Callable[[str, str], AbstractContextManager[Update]]
"""Called with a label and the unit when an operation begins; the context is left when it ends."""
PIECES, BYTES = "pieces", "bytes"


@contextmanager
def no_progress(label: str, unit: str = PIECES) -> Iterator[Update]:
    """Like `open_progress`, without reporting."""
    yield lambda done, total: None


_hook: Hook = no_progress


@contextmanager
def progress_told(hook: Hook) -> Iterator[None]:
    """Report the progress of all operations in this process to `hook` within the block."""
    global _hook
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before


def open_progress(label: str, unit: str = PIECES) -> AbstractContextManager[Update]:
    """Begin an operation; the context returns a function that reports its progress.

    Args:
        label: a description of the operation, such as `text features (minilm)`.
        unit: `pieces` or `bytes`.
    """
    return _hook(label, unit)


def progress(pieces: Iterable[_T], label: str, total: int | None = None) -> Iterator[_T]:
    """Yield the pieces and report the progress after each of them; nothing is reported if `total` is 0."""
    with (no_progress if total == 0 else open_progress)(label) as update:
        update(0, total)
        for done, piece in enumerate(pieces, start=1):
            yield piece
            update(done, total)
