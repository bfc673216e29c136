"""What README.md and the pages of docs/ tell a person to type: commands compose and bind, Python compiles and imports what exists.

The pages docs/add_*.md are followed literally instead, see `tests/docs/test_add_pages.py`.
"""

import ast
import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from mmrec.cli import compare
from mmrec.cli.data import init
from mmrec.cli.hydra.budget import expand_budget
from mmrec.cli.hydra.search_words import expand_query
from mmrec.cli.hydra.shorthand import expand_shorthand
from mmrec.cli.main import VERBS
from mmrec.config.check import check
from mmrec.schemas.register import SCHEMAS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if not page.name.startswith("add_"))]
_FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", flags=re.MULTILINE | re.DOTALL)
FENCES = [(language, text) for page in PAGES for language, text in _FENCE.findall(page.read_text(encoding="utf-8"))]

PARSERS = {"compare": compare.make_parser, "data init": init.make_parser}


def commands(fences: list[tuple[str, str]]) -> list[str]:
    """The `mmrec` lines of shell blocks: continued lines joined, prompts and comments off, placeholders filled in."""
    lines = [
        line
        for language, text in fences
        if language in ("sh", "bash", "shell", "console")
        for line in text.replace("\\\n", " ").splitlines()
    ]
    found = [
        re.search(r"(?:^|\s|/|&& )(mmrec(?:\s.*)?)$", line.strip().removeprefix("$ ")) for line in lines if not line.strip().startswith("#")
    ]
    return [re.sub(r"…|\.\.\.|<[^>]+>", "x", " ".join(shlex.split(one[1], comments=True, posix=False))) for one in found if one]


def scripts(fences: list[tuple[str, str]]) -> list[str]:
    return [text for language, text in fences if language in ("python", "py")]


def test_commands_are_found_in_a_text() -> None:
    text = "mmrec train \\\n  seed=1  # a note\n# mmrec not this\n$ .venv/bin/mmrec evaluate run=runs/…\npip install mmrec\n"
    assert commands([("sh", text), ("python", "mmrec nor this")]) == ["mmrec train seed=1", "mmrec evaluate run=runs/x", "mmrec"]


@pytest.mark.parametrize("command", sorted(set(commands(FENCES)) - {"mmrec"}))
def test_every_command_composes_and_binds(command: str, compose: Callable[..., DictConfig]) -> None:
    words = [word for word in shlex.split(command)[1:] if word not in ("--help", "--cfg", "job")]
    if not words:
        return
    verb = " ".join(words[:2]) if words[0] == "data" else words[0]
    rest = words[len(verb.split()) :]
    if verb == "search":
        rest = expand_query(rest)
    if verb == "tune":
        rest = expand_budget(rest)
    if verb in PARSERS:
        assert PARSERS[verb]().parse_known_args(rest)[1] == []
        return
    assert verb in VERBS
    given = [word for word in (expand_shorthand(verb, rest) if words[0] == "data" else rest) if not word.startswith("-")]
    overrides = [re.sub(r"^(?=data\.(features|inputs)[.=])", "++", word) for word in given]  # as `mmrec` itself does
    if any(word.startswith("resume=") for word in overrides):
        overrides[:0] = ["data=folder", "data.path=x"]  # the configuration is that of the run
    for one in every_job(overrides):
        check(compose(*one, name=VERBS[verb][2]), SCHEMAS[VERBS[verb][2]])


def every_job(overrides: list[str]) -> list[list[str]]:
    """Overrides with each sweep at its first value, and once more with all of it at its last."""
    jobs: list[list[str]] = [[], []]
    for override in OverridesParser.create().parse_overrides(overrides):
        values = list(override.sweep_string_iterator()) if override.is_sweep_override() else []
        for job, position in zip(jobs, (0, -1), strict=True):
            job.append(f"{override.get_key_element()}={values[position]}" if values else override.input_line)
    return jobs if jobs[0] != jobs[1] else jobs[:1]


def test_a_sweep_is_checked_at_both_ends() -> None:
    assert every_job(["seed=1", "ablation=[],[no_text]"]) == [["seed=1", "ablation=[]"], ["seed=1", "ablation=[no_text]"]]


@pytest.mark.parametrize("script", scripts(FENCES))
def test_every_script_compiles_and_imports_what_exists(script: str) -> None:
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
