"""The public names: they change on purpose, each can be imported, and type checkers see the same ones as Python."""

import ast
import importlib
from pathlib import Path

import pytest

import mmrec

ROOT = Path(__file__).resolve().parent.parent / "mmrec"
PUBLIC = [
    "ConfigError",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "FusionRecommender",
    "MissingFile",
    "MmrecError",
    "RankingTask",
    "Run",
    "TabularDataModule",
    "demo_shop",
    "evaluate",
    "movielens_100k",
    "open_run",
    "prepare",
    "read_folder",
    "train",
]
FACES = [".".join(("mmrec", *path.parent.relative_to(ROOT).parts)) for path in sorted(ROOT.rglob("__init__.py"))]


def typed_names(package: str) -> set[str]:
    """What a package imports under `if TYPE_CHECKING`, as type checkers read it."""
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imported = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name for node in imported for alias in node.names)
    return {f"{node.module}.{alias.name}" for node in imported for alias in node.names}


def test_the_public_names_are_these() -> None:
    assert sorted(mmrec.__all__) == PUBLIC
    assert [name for name in dir(mmrec) if not name.startswith("__")] == PUBLIC


def test_every_room_that_others_may_use_has_a_face() -> None:
    rooms = {f"mmrec.{path.name}" for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert rooms - set(FACES) <= {"mmrec.api", "mmrec.charts", "mmrec.cli"}  # calls and verbs are entry points; charts has one function


@pytest.mark.parametrize("package", FACES)
def test_a_face_is_whole_and_told_to_type_checkers_alike(package: str) -> None:
    face = importlib.import_module(package)
    found = {f"{getattr(face, name).__module__}.{name}" for name in face.__all__}
    assert {one.rpartition(".")[2] for one in typed_names(package)} == set(face.__all__)
    assert typed_names(package) >= {one for one in found if one.startswith(("mmrec.", "data_modules."))}


@pytest.mark.parametrize("package", FACES)
def test_no_name_is_also_a_module_of_its_package(package: str) -> None:
    face = importlib.import_module(package)
    folder = Path(face.__file__).parent
    assert [name for name in face.__all__ if (folder / name).is_dir() or (folder / f"{name}.py").is_file()] == []


def test_what_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'mmrec' has no attribute 'trian'"):
        mmrec.trian  # noqa: B018
