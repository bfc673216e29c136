"""Print log messages and progress of the library on the terminal during a command or call."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmrec.files.progress import progress_told
from mmrec.terminal import messages_shown, progress_bar


@contextmanager
def console_output() -> Iterator[None]:
    """Print messages and progress on stderr within the block or the decorated function."""
    with messages_shown(), progress_told(progress_bar):
        yield


@contextmanager
def console_output_if(wanted: bool) -> Iterator[None]:
    """As `console_output` if `wanted`, otherwise without effect."""
    if not wanted:
        yield
        return
    with console_output():
        yield
