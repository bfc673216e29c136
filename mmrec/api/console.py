"""What the library logs and how far it is, shown on the terminal while a verb or a call is at work."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmrec.files.progress import progress_told
from mmrec.terminal import messages_shown, progress_bar


@contextmanager
def console_output() -> Iterator[None]:
    """Shows messages and progress on stderr until the end of the block, or of the function that it decorates."""
    with messages_shown(), progress_told(progress_bar):
        yield


@contextmanager
def console_output_if(wanted: bool) -> Iterator[None]:
    """As `shown`, where that is wanted."""
    if not wanted:
        yield
        return
    with console_output():
        yield
