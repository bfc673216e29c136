"""Open files that tables refer to: regular files below a folder, whatever the given name.

The name is resolved first and then opened component by component without following links. The file that is checked is therefore the one
that is read, and lies below the folder, even if someone exchanges parts of the path meanwhile.
"""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from mmrec.errors import printable

MAX_BYTES = 50 * 2**20
_SHOWN = 200
_WALK = os.O_RDONLY | getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # does not wait for a FIFO
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "a cycle of symbolic links",
    errno.ENAMETOOLONG: "the name is too long for a file",
    errno.ENXIO: "expected a regular file",
}


def read_inside(folder: Path, name: str) -> bytes:
    """The content of the file `name` below `folder`.

    Raises:
        ValueError: the file is missing, outside the folder (by `..`, an absolute path or a link), not regular, larger than `MAX_BYTES` or
            not readable; the message contains the reason.
    """
    try:
        with open(_open_inside(folder, name), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refusal(name, _reason(error)) from error
    if len(content) > MAX_BYTES:  # it has grown since it was checked
        raise refusal(name, f"it is larger than {MAX_BYTES // 2**20} MB")
    return content


def check_inside(folder: Path, name: str) -> None:
    """Raise the errors of `read_inside` without reading."""
    try:
        os.close(_open_inside(folder, name))
    except OSError as error:
        raise refusal(name, _reason(error)) from error


def _open_inside(folder: Path, name: str) -> int:
    """A file descriptor. Raises ValueError for anything but a regular file below the folder, OSError if it cannot be opened."""
    root = os.path.realpath(folder)
    if "\0" in name:
        raise refusal(name, "file names cannot contain NUL")
    target = os.path.realpath(os.path.join(root, name))
    if os.path.isabs(name) or not Path(target).is_relative_to(root):
        raise refusal(name, f"lies outside the dataset's folder {folder}; image paths are relative to it and stay inside")
    descriptor = _open_unlinked(root, Path(target).relative_to(root).parts or (".",))
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise refusal(name, f"it has {found.st_size:,} bytes, more than {MAX_BYTES // 2**20} MB")
    raise refusal(name, f"expected a regular file, found {'a folder' if stat.S_ISDIR(found.st_mode) else 'a device or a pipe'}")


def _open_unlinked(root: str, parts: Sequence[str]) -> int:
    """Open root/part/part/…; raises OSError if a part is a link."""
    if os.open not in os.supports_dir_fd:  # Windows
        return os.open(os.path.join(root, *parts), _READ)
    holder = os.open(root, _WALK)
    for part in parts[:-1]:
        above = holder
        try:
            holder = os.open(part, _WALK, dir_fd=above)
        finally:
            os.close(above)
    try:
        return os.open(parts[-1], _READ, dir_fd=holder)
    finally:
        os.close(holder)


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def refusal(name: str, reason: str) -> ValueError:
    """The error for a file that cannot be read; long or unprintable names are shortened and escaped."""
    return ValueError(f"{printable(name[:_SHOWN])}{'…' if len(name) > _SHOWN else ''}: {reason}")
