"""The wheel: it holds all of mmrec and nothing else, and works from an empty folder with the checkout out of sight."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Where the files of each folder lie in the wheel, and which of them belong there.
PACKAGED = {"mmrec": "mmrec", "data_modules": "data_modules", "conf": "mmrec/conf"}
SUFFIXES = (".py", ".yaml", ".j2", ".js", ".css", ".svg", ".typed")


def pip(*arguments: str | Path) -> None:
    """Runs pip without a network."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def wheel(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The wheel, built from a copy: setuptools would put into it whatever an earlier build left beside the sources."""

    def build(target: Path) -> None:
        source = target / "source"
        for folder in PACKAGED:
            shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        pip("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", target, source)

    return next(made_once("wheel", build).glob("mmrec-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    return made_once("installed", lambda target: pip("install", "--no-deps", "--no-index", "--no-compile", "--target", target, wheel))


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """What Python prints in `folder`. Without `site`, so that the checkout, which .pth files may point to, is not importable.

    It leaves no `__pycache__` behind, which would pass for a group of choices.
    """
    libraries = dict.fromkeys(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), *libraries])}
    ran = subprocess.run([sys.executable, "-S", "-B", *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_holds_every_file_and_no_other(wheel: Path) -> None:
    expected = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in PACKAGED.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES
    }
    assert {"mmrec/__init__.py", "mmrec/conf/__init__.py"} < expected
    assert {suffix for suffix in SUFFIXES if any(name.endswith(suffix) for name in expected)} == set(SUFFIXES)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected


def test_command_works_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    assert "train" in run(installed, tmp_path, "-m", "mmrec.cli.main", "--help")
    assert not list(tmp_path.iterdir())


def test_configuration_is_found_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    script = """
from importlib import metadata, resources
import data_modules, mmrec, mmrec.conf
print(data_modules.__path__[0], mmrec.__path__[0], mmrec.conf.__path__[0], sep="\\n")
print(next(script.value for script in metadata.distribution("mmrec").entry_points if script.name == "mmrec"))
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
with initialize_config_module("mmrec.conf", version_base="1.3"):
    loader = GlobalHydra.instance().config_loader()
    for group in sorted(entry.name for entry in resources.files("mmrec.conf").iterdir() if entry.is_dir()):
        print(*(f"{group}/{choice}" for choice in loader.get_group_options(group)), sep="\\n")
"""
    *places, command = (lines := run(installed, tmp_path, "-c", script).splitlines())[:4]
    assert places == [str(installed / place) for place in ("data_modules", "mmrec", "mmrec/conf")]
    assert command == "mmrec.cli.main:main"
    assert sorted(lines[4:]) == sorted(f"{path.parent.name}/{path.stem}" for path in (ROOT / "conf").glob("*/*.yaml"))
