"""Extract members of untrusted archives, and create folders from them once.

Only the requested members are extracted. They must be regular files, stay inside the target folder and not exceed a total size.
"""

import errno
import gzip
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from mmrec.errors import DownloadError, nearest
from mmrec.files.storage import sha256_file, temporary_beside, write_json

MANIFEST = "manifest.json"
_NAMES = (None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""Errors that member names can cause, for example a file where another member needs a folder."""
MAX_BYTES = 2**34
_DAMAGES = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)


def unpack_once(
    target: Path, origin: Mapping[str, object], members: Sequence[str], fetch: Callable[[Path], Path], max_bytes: int = MAX_BYTES
) -> Path:
    """Create the folder `target` from members of an archive, unless it exists, is undamaged and has the same origin.

    The folder is created atomically. Its `manifest.json` contains the SHA-256 of every file, by which damage is detected and repaired.

    Args:
        target: the folder to create.
        origin: identifies the archive; stored in the manifest.
        members: as in `extract`.
        fetch: returns the path of the verified archive; gets a folder that it may create for it.
        max_bytes: the limit for all members together.

    Returns:
        `target`.

    Raises:
        DownloadError: from `fetch` or `extract`, or `target` exists with other content.
    """
    origin = {**origin, "members": sorted(members)}
    if _is_complete(target, origin):
        return target
    if target.exists() and not (target / MANIFEST).is_file():
        raise DownloadError(f"{target} already exists and was not created by mmrec; move it away")
    temporary = temporary_beside(target)
    try:
        temporary.mkdir()
        unpacked = temporary / "unpacked"
        files = extract(fetch(temporary / "archive"), members, unpacked, max_bytes)
        write_json(unpacked / MANIFEST, {**origin, "files": files})
        _move(unpacked, target, origin, temporary / "old")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def extract(archive: Path, members: Sequence[str], folder: Path, max_bytes: int = MAX_BYTES) -> dict[str, str]:
    """Extract members of a .zip, .whl or .tar.gz to `folder`.

    Args:
        archive: the archive file.
        members: paths in the archive; one that ends with `/` means all files below it. Paths are kept below `folder`.
        folder: created if missing.
        max_bytes: the limit for all members together, as declared by the archive and as extracted.

    Returns:
        The SHA-256 of each file by its path.

    Raises:
        DownloadError: the archive is damaged or encrypted, lacks a member or contains it twice; a member is a link or a device or would be
            written outside `folder`; or the members are too large.
    """
    opened = _tar_members if archive.name.endswith((".tar.gz", ".tgz")) else _zip_members
    written: dict[str, int] = {}
    names: list[str] = []
    try:
        for name, is_file, size, source in opened(archive, max_bytes):
            names.append(name)
            if not _is_wanted(name, members):
                continue
            _check(archive, name, is_file, name in written)
            written[name] = 0
            if sum(written.values()) + size > max_bytes:
                raise _too_large(archive, max_bytes)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with source() as stream, open(path, "wb") as copy:
                while block := stream.read(2**20):
                    written[name] += len(block)
                    if sum(written.values()) > max_bytes:
                        raise _too_large(archive, max_bytes)
                    copy.write(block)
    except _DAMAGES as error:
        if isinstance(error, OSError) and error.errno not in _NAMES:  # an error of the disk, not of the archive
            raise
        raise DownloadError(f"{archive.name}: the archive is damaged or of no known kind: {error}") from error
    for member in members:
        if not any(_is_wanted(name, [member]) for name in written):
            raise DownloadError(f"{archive.name}: expected `{member}` in it, found none; {nearest(member, names)}")
    return {name: sha256_file(folder / name) for name in sorted(written)}


_Member = tuple[str, bool, int, Callable[[], IO[bytes]]]
"""The name, whether it is a regular file, the declared size in bytes, and a function that opens it."""


def _zip_members(archive: Path, max_bytes: int) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for one in opened.infolist():
            kind = stat.S_IFMT(one.external_attr >> 16)
            if not one.is_dir():
                yield one.filename, kind in (0, stat.S_IFREG), one.file_size, partial(opened.open, one)


def _tar_members(archive: Path, max_bytes: int) -> Iterator[_Member]:
    with gzip.open(archive) as raw:
        capped = _Capped(raw, archive, 2 * max_bytes + 2**20)
        with tarfile.open(fileobj=cast("IO[bytes]", capped), mode="r|") as opened:
            for one in opened:
                if not one.isdir():
                    # `extractfile` returns None only for links and devices, which are rejected before they are opened.
                    open_it = cast("Callable[[], IO[bytes]]", partial(opened.extractfile, one))
                    yield one.name, one.isreg(), one.size, open_it
        while capped.read(2**20):  # read to the end, where gzip stores its checksum
            pass


class _Capped:
    """A stream that raises after a number of bytes, since skipped members must be decompressed as well."""

    def __init__(self, raw: gzip.GzipFile, archive: Path, max_bytes: int) -> None:
        self.raw, self.archive, self.left = raw, archive, max_bytes

    def read(self, size: int) -> bytes:
        block = self.raw.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise _too_large(self.archive, self.left)
        return block


def _is_wanted(name: str, members: Sequence[str]) -> bool:
    return any(name == member or (member.endswith("/") and name.startswith(member)) for member in members)


def _check(archive: Path, name: str, is_file: bool, is_again: bool) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name or name == MANIFEST:
        raise DownloadError(f"{archive.name}: the member `{name}` would be written outside of its folder")
    if not is_file:
        raise DownloadError(f"{archive.name}: expected `{name}` to be a plain file, it is a link or a device")
    if is_again:
        raise DownloadError(f"{archive.name}: the member `{name}` is repeated")


def _too_large(archive: Path, max_bytes: int) -> DownloadError:
    return DownloadError(f"{archive.name}: expected at most {max_bytes:,} bytes unpacked, found more")


def _is_complete(target: Path, origin: dict[str, object]) -> bool:
    """Whether `target` was created from this origin and all of its files are unchanged."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        files = manifest.pop("files")
        return manifest == origin and all(sha256_file(target / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _move(unpacked: Path, target: Path, origin: dict[str, object], old: Path) -> None:
    """Move the folder into place, replacing a damaged or older one, unless another process was faster."""
    if target.exists() and not _is_complete(target, origin):
        os.replace(target, old)
    try:
        os.replace(unpacked, target)
    except OSError:
        if not _is_complete(target, origin):
            raise
