"""What README.md tells a person to type: every `mmrec` command composes and binds, every Python block compiles and imports what exists."""

import ast
import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from mmrec.cli import compare, init
from mmrec.cli.hydra.shorthand import spell_out
from mmrec.cli.main import VERBS
from mmrec.config import check
from mmrec.schemas import SCHEMAS

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)

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


@pytest.mark.parametrize("command", [line for line in commands(FENCES) if line != "mmrec"] or [None])
def test_every_command_composes_and_binds(command: str | None, compose: Callable[..., DictConfig]) -> None:
    if command is None:
        pytest.skip("README.md shows no command yet")
    words = shlex.split(command)[1:]
    if words[0] in ("--help", "--version"):
        return
    verb = " ".join(words[:2]) if words[0] == "data" else words[0]
    rest = words[len(verb.split()) :]
    if verb in PARSERS:
        assert PARSERS[verb]().parse_known_args(rest)[1] == []
        return
    assert verb in VERBS
    overrides = [word for word in (spell_out(verb, rest) if words[0] == "data" else rest) if not word.startswith("-")]
    for one in every_job(overrides):
        check(compose(*one, name=VERBS[verb][1]), SCHEMAS[VERBS[verb][1]])


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


@pytest.mark.parametrize("script", scripts(FENCES) or [None])
def test_every_script_compiles_and_imports_what_exists(script: str | None) -> None:
    if script is None:
        pytest.skip("README.md shows no Python yet")
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
