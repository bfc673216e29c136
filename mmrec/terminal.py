"""What mmrec prints. Names and values come from other people's files: nothing of them is a control code or markup, and nothing is cut.

Nothing else in mmrec prints: tests/test_house.py looks for it.
"""

import logging
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import measure_renderables
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table
from rich.text import Text

from mmrec.errors import printable


def say(*lines: str, stderr: bool = True) -> None:
    """Prints each text as one line, whatever characters it has."""
    for line in lines:
        open_console(stderr).print(printable(line), soft_wrap=True)


class _Said(logging.Handler):
    """Prints the message of each record as one line, as `say` does."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_messages() -> None:
    """Prints on stderr, from now on, what mmrec logs at level INFO and above; does nothing where that is so already."""
    logger = logging.getLogger("mmrec")
    if not messages_are_shown():
        logger.addHandler(_Said(logging.INFO))
        logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))


def messages_are_shown() -> bool:
    """Whether `show_messages` is in effect."""
    return any(isinstance(handler, _Said) for handler in logging.getLogger("mmrec").handlers)


@contextmanager
def messages_shown() -> Iterator[None]:
    """As `show_messages`, until the end of the block or of the function that it decorates."""
    logger = logging.getLogger("mmrec")
    handlers, level = list(logger.handlers), logger.level
    show_messages()
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def show(*tables: Table) -> None:
    """Prints tables on stdout. Cells, headers and titles are plain text; a cell that is a `Text` may have line breaks.

    Names and values are folded and never cut. A table wider than the terminal goes on below itself with the columns that do not fit.
    """
    console = open_console()
    for table in tables:
        plain = _plain_table(table, table.columns)
        for columns in _fitting(plain, console):
            console.print(_plain_table(plain, columns))


def open_console(stderr: bool = False) -> Console:
    """The terminal, which takes no text for markup; also for progress bars."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def is_terminal() -> bool:
    """Whether stdout is a terminal, where a bar can be drawn."""
    return open_console().is_terminal


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr where that is a terminal, as `mmrec.files.progress` asks for it."""
    console = open_console(stderr=True)
    columns = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (TaskProgressColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(bar_label(label), total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def bar_label(text: str) -> str:
    """A text as the label of a progress bar, which rich takes for markup wherever it comes from."""
    return escape(printable(text))


@contextmanager
def silent_when_unread() -> Iterator[None]:
    """Ends the process without a word where nobody reads what it prints any more, as after `mmrec train --help | head`."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not is_reader_gone():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # the interpreter, when it ends, writes what is left
            os.dup2(nowhere, stream.fileno())
        sys.exit(1)


def is_reader_gone() -> bool:
    """Whether stdout or stderr is a pipe that nobody reads any more."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _plain_table(table: Table, columns: Sequence[Column]) -> Table:
    """Some columns of a table, without anything that the terminal would act on."""
    title = _plain(table.title)
    plain = Table(title=title, title_justify=table.title_justify, box=table.box, pad_edge=table.pad_edge, padding=table.padding)
    for one in columns:
        plain.add_column(_plain(one.header), justify=one.justify, no_wrap=one.no_wrap, min_width=one.min_width, overflow="fold")
    for row, *cells in zip(table.rows, *(one.cells for one in columns), strict=True):
        plain.add_row(*map(_plain, cells), end_section=row.end_section)
    return plain


def _plain(cell: Any) -> Any:
    if isinstance(cell, str):
        return printable(cell)
    if isinstance(cell, Text):
        cell.plain = "\n".join(map(printable, cell.plain.split("\n")))
    return cell


def _fitting(table: Table, console: Console) -> list[list[Column]]:
    """All columns or, where they are too wide for the terminal, the first with as many of the others as fit, again and again."""
    first, *others = table.columns
    groups: list[list[Column]] = [[first]]
    for column in others:
        if len(groups[-1]) > 1 and _width([*groups[-1], column], table, console) > console.width:
            groups.append([first])
        groups[-1].append(column)
    return groups


def _width(columns: Sequence[Column], table: Table, console: Console) -> int:
    """What columns need at the least: all of their longest cells where they must not wrap, and the space and the lines around them."""
    _, right, _, left = table.padding
    needed = 1 - (0 if table.pad_edge else left + right)
    for one in columns:
        cells = measure_renderables(console, console.options.update_width(2**16), [one.header, *one.cells])
        needed += left + right + 1 + (cells.maximum if one.no_wrap else min(cells.minimum, one.min_width or _FOLDED))
    return needed


_FOLDED = 10
"""Columns of words are folded to this width before a table is divided."""
