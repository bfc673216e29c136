"""Wheels as data: only what was asked for, only with the right hash, whole or not at all. pip is replaced, save in the network test."""

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from mmrec.errors import DownloadError
from mmrec.files import wheels
from mmrec.files.wheels import fetch_wheel

CONTENT = {"shop/a.txt": "A", "shop/more/b.txt": "B", "shop/__init__.py": "raise SystemExit", "../evil.txt": "E", "evil/../../x.txt": "E"}


class FakePip:
    """Stands in for `run_pip`: copies a wheel to --dest, or fails with a message."""

    def __init__(self, wheel: Path):
        self.wheel, self.n_calls, self.failure = wheel, 0, ""

    def __call__(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        self.n_calls += 1
        destination = Path(arguments[arguments.index("--dest") + 1])
        if self.failure:
            return subprocess.CompletedProcess(arguments, 1, "", self.failure)
        destination.mkdir()
        shutil.copy(self.wheel, destination)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.wheel.read_bytes()).hexdigest()


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    wheel = tmp_path / "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in CONTENT.items():
            archive.writestr(name, text)
    fake = FakePip(wheel)
    monkeypatch.setattr(wheels, "run_pip", fake)
    return fake


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_the_named_members_once(tmp_path: Path, pip: FakePip) -> None:
    target = tmp_path / "cache" / "shop"
    for _ in range(2):
        assert fetch_wheel("shop", "1.0", pip.sha256, ["shop/a.txt", "shop/more/"], target) == target
    assert files_below(tmp_path / "cache") == {"shop/shop/a.txt", "shop/shop/more/b.txt", "shop/manifest.json"}
    assert (target / "shop/a.txt").read_text() == "A"
    assert pip.n_calls == 1


@pytest.mark.parametrize("damage", ["changed", "removed", "other members"])
def test_a_damaged_or_different_folder_is_made_anew(tmp_path: Path, pip: FakePip, damage: str) -> None:
    target = tmp_path / "cache" / "shop"
    fetch_wheel("shop", "1.0", pip.sha256, ["shop/more/"] if damage == "other members" else ["shop/a.txt"], target)
    if damage == "changed":
        (target / "shop/a.txt").write_text("X")
    elif damage == "removed":
        (target / "shop/a.txt").unlink()
    fetch_wheel("shop", "1.0", pip.sha256, ["shop/a.txt"], target)
    assert files_below(tmp_path / "cache") == {"shop/shop/a.txt", "shop/manifest.json"}
    assert (target / "shop/a.txt").read_text() == "A"
    assert pip.n_calls == 2


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["shop/a.tx"], "expected `shop/a.tx` in it, found none; did you mean `shop/a.txt`"),
        (["shop/a.txt", "../evil.txt"], "would be written outside of its folder"),
        (["evil/"], "would be written outside of its folder"),
    ],
)
def test_refused_members_leave_nothing(tmp_path: Path, pip: FakePip, members: list[str], expected: str) -> None:
    with pytest.raises(DownloadError, match=expected):
        fetch_wheel("shop", "1.0", pip.sha256, members, tmp_path / "cache" / "shop")
    assert not list((tmp_path / "cache").iterdir())


def test_wrong_hash(tmp_path: Path, pip: FakePip) -> None:
    with pytest.raises(DownloadError, match=f"expected sha256 {'0' * 64}, found {pip.sha256}"):
        fetch_wheel("shop", "1.0", "0" * 64, ["shop/a.txt"], tmp_path / "cache" / "shop")
    assert not list((tmp_path / "cache").iterdir())


def test_pip_failure_shows_its_last_error_and_a_remedy(tmp_path: Path, pip: FakePip) -> None:
    pip.failure = "WARNING: Retrying\nERROR: No matching distribution found for shop==1.0\n\nnotice\n"
    with pytest.raises(DownloadError, match=r"shop 1.0 could not be fetched: ERROR: No matching distribution .*\n.*Check the connection"):
        fetch_wheel("shop", "1.0", pip.sha256, ["shop/a.txt"], tmp_path / "cache" / "shop")
    assert not list((tmp_path / "cache").iterdir())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, pip: FakePip) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(DownloadError, match="already exists and was not"):
        fetch_wheel("shop", "1.0", pip.sha256, ["shop/a.txt"], target)
    assert files_below(target) == {"thesis.txt"}


def test_pip_of_this_interpreter_runs() -> None:
    done = wheels.run_pip(["--version"])
    assert done.returncode == 0
    assert done.stdout.startswith("pip ")
