"""A bar for work that goes on for minutes."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import track

from mmrec.terminal import bar_label, open_console

_T = TypeVar("_T")


def watch(pieces: Iterable[_T], doing: str, n: int | None = None) -> Iterator[_T]:
    """The same, with a bar on stderr where that is a terminal."""
    console = open_console(stderr=True)
    yield from track(pieces, bar_label(doing), n, console=console, transient=True, disable=not console.is_terminal)
