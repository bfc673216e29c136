"""How far work is that goes on for minutes, told through one hook. Nobody is told unless a caller asks, as the command line does."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

_T = TypeVar("_T")
Update = Callable[[int, int | None], None]
"""Called with what is done so far, and the total, None where it is not known."""
Hook = Callable[[str, str], AbstractContextManager[Update]]
"""Called with what is done and the unit that is counted, when it begins; left when it ends."""
PIECES, BYTES = "pieces", "bytes"


@contextmanager
def no_progress(label: str, unit: str = PIECES) -> Iterator[Update]:
    """As `open_progress`, for work that nobody is told of."""
    yield lambda done, total: None


_hook: Hook = no_progress


@contextmanager
def progress_told(hook: Hook) -> Iterator[None]:
    """Tells `hook` of the progress of all work of this process until the end of the block."""
    global _hook
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before


def open_progress(label: str, unit: str = PIECES) -> AbstractContextManager[Update]:
    """Begin a piece of work; the context gives what tells how far it is.

    Args:
        label: what is done, such as `text features (minilm)`. It may be any text.
        unit: `pieces` or `bytes`.
    """
    return _hook(label, unit)


def progress(pieces: Iterable[_T], label: str, total: int | None = None) -> Iterator[_T]:
    """Yield the pieces, and tell after each how many are done; where there are none nobody is told."""
    with (no_progress if total == 0 else open_progress)(label) as update:
        update(0, total)
        for done, piece in enumerate(pieces, start=1):
            yield piece
            update(done, total)
