"""Print to the terminal. Names and values from files are escaped, never interpreted as control codes or markup, and never truncated.

No other module of mmrec prints, which tests/test_house.py checks.
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
    """Print each text as one line, with unprintable characters escaped."""
    for line in lines:
        open_console(stderr).print(printable(line), soft_wrap=True)


def read_lines(prompt: str = "> ") -> Iterator[str]:
    """Yield the lines of stdin, without spaces around them, until it ends; on a terminal, the prompt stands before each."""
    while True:
        if sys.stdin.isatty() and is_terminal():
            open_console(stderr=True).print(prompt, end="")
        line = sys.stdin.buffer.readline()
        if not line:
            return
        yield line.decode("utf-8", "replace").strip()


class _Said(logging.Handler):
    """Prints the message of each record as one line, as `say` does."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def show_messages() -> None:
    """Print mmrec's log messages of level INFO and above to stderr from now on."""
    logger = logging.getLogger("mmrec")
    if not messages_are_shown():
        logger.addHandler(_Said(logging.INFO))
        logger.setLevel(min(logging.INFO, logger.getEffectiveLevel()))


def messages_are_shown() -> bool:
    """Whether `show_messages` is in effect."""
    return any(isinstance(handler, _Said) for handler in logging.getLogger("mmrec").handlers)


@contextmanager
def messages_shown() -> Iterator[None]:
    """Apply `show_messages` within the block, or in the decorated function."""
    logger = logging.getLogger("mmrec")
    handlers, level = list(logger.handlers), logger.level
    show_messages()
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


def show(*tables: Table) -> None:
    """Print tables to stdout. Cells, headers and titles are plain text; a cell that is a `Text` may have line breaks.

    Names and values are wrapped, never truncated. A table wider than the terminal is continued below with the remaining columns.
    """
    console = open_console()
    for table in tables:
        plain = _plain_table(table, table.columns)
        for columns in _fitting(plain, console):
            console.print(_plain_table(plain, columns))


def open_console(stderr: bool = False) -> Console:
    """The console, without interpretation of markup; also used for progress bars."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def is_terminal() -> bool:
    """Whether stdout is a terminal, on which progress bars can be drawn."""
    return open_console().is_terminal


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr, if that is a terminal, in the form that `mmrec.files.progress` requires."""
    console = open_console(stderr=True)
    columns = (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (TaskProgressColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(bar_label(label), total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def bar_label(text: str) -> str:
    """Escape a text for the label of a progress bar, which rich interprets as markup."""
    return escape(printable(text))


@contextmanager
def silent_when_unread() -> Iterator[None]:
    """Exit silently if the reader of the output is gone, as in `mmrec train --help | head`."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not is_reader_gone():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # the interpreter flushes them at exit
            os.dup2(nowhere, stream.fileno())
        sys.exit(1)


def is_reader_gone() -> bool:
    """Whether stdout or stderr is a pipe whose reader is gone."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _plain_table(table: Table, columns: Sequence[Column]) -> Table:
    """A table with the given columns and all cells escaped."""
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
    """All columns, or, if they are too wide for the terminal, groups of the first column with as many others as fit."""
    first, *others = table.columns
    groups: list[list[Column]] = [[first]]
    for column in others:
        if len(groups[-1]) > 1 and _width([*groups[-1], column], table, console) > console.width:
            groups.append([first])
        groups[-1].append(column)
    return groups


def _width(columns: Sequence[Column], table: Table, console: Console) -> int:
    """The minimal width of columns: the longest cells of those that must not wrap, plus padding and lines."""
    _, right, _, left = table.padding
    needed = 1 - (0 if table.pad_edge else left + right)
    for one in columns:
        cells = measure_renderables(console, console.options.update_width(2**16), [one.header, *one.cells])
        needed += left + right + 1 + (cells.maximum if one.no_wrap else min(cells.minimum, one.min_width or _FOLDED))
    return needed


_FOLDED = 10
"""The width to which text columns are wrapped before a table is divided."""
