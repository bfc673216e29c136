"""A bar for work that goes on for minutes."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

_T = TypeVar("_T")


def watch(pieces: Iterable[_T], doing: str, n: int | None = None) -> Iterator[_T]:
    """The same, with a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    yield from track(pieces, doing, n, console=console, transient=True, disable=not console.is_terminal)
