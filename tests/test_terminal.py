"""mmrec.terminal: what a person's files hold is printed as characters, whole, and never acted on."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from mmrec.errors import printable
from mmrec.terminal import bar_label, open_console, say, show

HOSTILE = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\rb",
    "a\nmmrec: sound",
    "\u202egnp.exe",
    "[bold]x[/bold]",
    "Alien [/director's cut]",
    "[link=http://x]y[/link]",
    ":smile:",
]


def is_inert(text: str) -> bool:
    """Whether nothing in a text but its line breaks is more than a character."""
    return text.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("to_stderr", [False, True])
def test_a_line_is_one_line_with_all_of_its_characters(text: str, to_stderr: bool, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"note: {text}", stderr=to_stderr)
    assert capsys.readouterr()[to_stderr] == f"note: {printable(text)}\n" and is_inert(printable(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_shows_cells_headers_and_titles_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(text, "b", title=text)
    table.add_row(text, Text(f"{text}\nsecond"))
    show(table)
    out = capsys.readouterr().out
    assert is_inert(out) and "second" in out and out.count(printable(text).split()[0]) >= 3


@given(st.text(max_size=20))
def test_any_text_is_shown_inert(text: str) -> None:
    table = Table(text, title=text)
    table.add_row(text)
    table.add_row(Text(text))
    with open_console().capture() as captured:
        show(table)
    assert is_inert(captured.get())


def test_the_label_of_a_bar_is_no_markup() -> None:
    with Progress(console=open_console()) as progress, open_console().capture():
        progress.add_task(bar_label("part [/x] \x1b[31m.csv"))
        (line,) = progress.make_tasks_table(progress.tasks).columns[0].cells
    assert line.plain == "part [/x] \\x1b[31m.csv"


def test_a_wide_table_goes_on_below_with_every_name_whole(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model")
    names = [f"{metric}@{k}" for k in (1, 5, 10, 20, 50, 100) for metric in ("recall", "ndcg")]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("a model with a very long name", *(Text("0.1234\n± 0.0001") for _ in names))
    show(table)
    out = capsys.readouterr().out
    assert all(name in out.split() for name in names) and "…" not in out
    assert out.count("0.1234") == len(names) and max(map(len, out.splitlines())) <= 80
    assert out.count("model") >= 2


def test_a_long_word_is_folded_and_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("id", "title")
    table.add_row("x" * 200, "y" * 200)
    show(table)
    out = capsys.readouterr().out
    assert out.count("x") == 200 and out.count("y") == 200


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["data", "check", "--help"]])
def test_a_pipe_that_nobody_reads_ends_the_command_silently(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "mmrec.cli.main", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
    )
    os.close(writer)
    assert done.returncode != 0 and done.stderr == b""
