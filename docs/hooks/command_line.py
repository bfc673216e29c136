"""Fills pages with what mmrec itself says: the help of commands, and the choices of the configuration groups.

A line `<!-- help: mmrec compare -->` becomes the help of that command, and `<!-- groups -->` a table for each folder of conf/.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

CONF = Path(__file__).resolve().parents[2] / "conf"
_HELP = re.compile(r"^<!-- help: mmrec (.*) -->$", re.MULTILINE)
_GROUPS = "<!-- groups -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page."""
    filled = _HELP.sub(lambda mark: f"```text\n{help_of(mark[1])}\n```", markdown)
    return filled.replace(_GROUPS, groups()) if _GROUPS in filled else filled


@cache
def help_of(verb: str) -> str:
    """Return what `mmrec COMMAND --help` prints."""
    command = [sys.executable, "-m", "mmrec.cli.main", *verb.split(), "--help"]
    done = subprocess.run(command, env=os.environ | {"COLUMNS": "110"}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def groups() -> str:
    """Return a heading and a table for each configuration group, with the comment that each choice begins with."""
    folders = sorted({file.parent for file in CONF.rglob("*.yaml")} - {CONF})
    return "\n\n".join(f"## {folder.relative_to(CONF)}\n\n{_table(folder)}" for folder in folders)


def _table(folder: Path) -> str:
    rows = [f"| `{file.stem}` | {_comment(file).replace('|', chr(92) + '|')} |" for file in sorted(folder.glob("*.yaml"))]
    return "\n".join(["| choice | what it is |", "| --- | --- |", *rows])


def _comment(file: Path) -> str:
    """Return the comment at the top of a file as one line, without the line that names a package."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(line for line in lines if line and not line.startswith(("@package", "mmrec ")))
