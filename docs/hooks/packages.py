"""Copies the sources for the API reference, with an `__init__.py` in every folder: without one, its modules would not be found."""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "docs_sources"
"""Named in mkdocs.yml as the place of the sources."""


def on_startup(**_: Any) -> None:
    """Make the copy anew."""
    shutil.rmtree(COPY, ignore_errors=True)
    for package in ("mmrec", "data_modules"):
        shutil.copytree(ROOT / package, COPY / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for folder in [path for path in COPY.rglob("*") if path.is_dir() and any(path.rglob("*.py"))]:
        folder.joinpath("__init__.py").touch()
