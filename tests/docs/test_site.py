"""The site: every verb has its section, the README stays short and its links lead somewhere, and no page loads from another host."""

import importlib.util
import re
from pathlib import Path

import pytest

from mmrec.cli.main import PLAIN_VERBS, VERBS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_verb_has_a_section() -> None:
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (.+)$", page, flags=re.MULTILINE)) == {*VERBS, *PLAIN_VERBS}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 160


def test_links_of_the_readme_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("page", "n"),
    [
        ('<script src="https://cdn.example.org/a.js"></script>', 1),
        ('<link href="//fonts.example.org/a.css" rel="stylesheet">', 1),
        ("@import url(https://fonts.example.org/a.css);", 1),
        ('<img alt="a" src="https://example.org/a.png">', 1),
        ('<a href="https://example.org">a link</a><img src="images/a.svg"><script src="../a.js"></script>', 0),
    ],
)
def test_what_a_page_would_load_from_other_hosts_is_found(page: str, n: int) -> None:
    pytest.importorskip("mkdocs")
    hook = importlib.util.spec_from_file_location("no_requests", ROOT / "docs" / "hooks" / "no_requests.py")
    module = importlib.util.module_from_spec(hook)
    hook.loader.exec_module(module)
    assert len(module.loaded_from_elsewhere(page)) == n
