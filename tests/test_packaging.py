"""What is said twice about the project agrees: its version, its Pythons, its extras, its licence."""

import re
import tomllib
from pathlib import Path

import yaml

import mmrec

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_and_the_licence_are_the_same_everywhere() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert PROJECT["version"] == mmrec.__version__ == citation["version"]
    assert PROJECT["license"] == citation["license"] == "MIT" and text_of("LICENSE").startswith("MIT License\n")


def test_the_workflow_has_every_python_that_the_project_names() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    job = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]["run"]
    assert job["strategy"]["matrix"]["python"] == named == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_workflow_looks_up_known_vulnerabilities_of_all_that_is_pinned() -> None:
    """With a network; the suite itself needs none."""
    steps = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]["run"]["steps"]
    assert {"run": "make audit"} in steps and "audit" not in text_of(".ci/run")
    (recipe,) = re.findall(r"^audit:.*\n\t(.*)$", text_of("Makefile"), re.MULTILINE)
    assert "pip-audit==" in recipe and recipe.endswith("-r constraints.txt")


def test_make_installs_extras_of_the_project_and_what_ci_runs_is_there() -> None:
    makefile = text_of("Makefile")
    installed = re.search(r"^EXTRAS := (.+)$", makefile, re.MULTILINE)
    assert installed and set(installed[1].split(",")) <= set(PROJECT["optional-dependencies"])
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    assert {"install", "test", "test-thorough", "lint", "format", "typecheck", "coverage", "docs", "build", "audit"} <= targets
    assert set(re.findall(r"^make ([a-z-]+)$", text_of(".ci/run"), re.MULTILINE)) == {"lint", "typecheck", "docs", "test", "test-thorough"}


def test_the_links_of_the_guide_for_contributors_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text_of("CONTRIBUTING.md")) if "://" not in link]
    assert len(links) >= 5 and all((ROOT / link).is_file() for link in links)
