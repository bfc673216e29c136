"""Locate the files of tables by name, inside a folder only."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote

from mmrec.errors import DataError, MissingFile, nearest
from mmrec.files.compressed import COMPRESSIONS

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet", ".nt", ".ttl", ".graphml")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def find_table(folder: Path, stem: str, suffixes: Sequence[str] = SUFFIXES) -> Path | None:
    """The table called `stem` in a folder, in any format: a file, or a folder of files; None if there is none.

    Raises:
        DataError: there are several, one is a link to outside the folder, or it is neither a file nor a folder.
    """
    names = [f"{stem}{suffix}{packed}" for suffix in suffixes for packed in ("", *COMPRESSIONS)]
    found = [path for name in (stem, *names) if os.path.lexists(path := folder / name)]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one `{stem}` table, found {' and '.join(path.name for path in found)}; remove all but one")
    for path in found:
        check_file(path, folder)
    return found[0] if found else None


def files_of(path: Path) -> list[Path]:
    """The files that a path refers to, sorted by name.

    These are the file itself; the files of a folder and its partitions, subfolders called `column=value`, without hidden files and markers
    such as `_SUCCESS`; or the files that match a glob such as `orders-*.csv`. Empty if there are none.

    Raises:
        DataError: an entry is neither a file nor a folder, or a link to outside the folder.
    """
    if path.is_dir():
        return list(_files_in(path, path))
    if path.is_file():
        return [path]
    root = _existing(path)
    found = [entry for entry in _below(root, str(path.relative_to(root))) if not entry.is_dir()]
    for entry in found:
        check_kind(entry)
    return found


def _files_in(folder: Path, root: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        is_partition = "=" in entry.name and entry.is_dir() and not entry.is_symlink()
        if entry.name.startswith(".") or (entry.name.startswith("_") and not is_partition):
            continue
        check_file(entry, root)
        yield from _files_in(entry, root) if is_partition else [entry]


def partitions(path: Path, files: Sequence[Path]) -> list[dict[str, str | None]]:
    """For each file of a folder or glob, the columns encoded in the names of subfolders by Hive and Spark: `day=2024-01-01`."""
    root = path if path.is_dir() else _existing(path)
    named = ([part.partition("=") for part in file.relative_to(root).parent.parts if "=" in part] for file in files)
    return [{unquote(name): None if value == _HIVE_NULL else unquote(value) for name, _, value in parts} for parts in named]


def user_path(text: str | Path) -> Path:
    """Convert a path given by the user. A leading `~` is expanded, unless a file or folder of that name, or no such user, exists.

    In the latter cases the path is made absolute, because libraries would expand `~` as well.
    """
    path = Path(text)
    if not str(path).startswith("~"):
        return path
    try:
        return path.absolute() if path.exists() else path.expanduser()
    except RuntimeError:
        return path.absolute()


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return the folder for what can be made again: the one that is named, or MMREC_CACHE, or `~/.cache/mmrec`."""
    return user_path(cache or os.environ.get("MMREC_CACHE") or "~/.cache/mmrec")


def files_below(root: Path, glob: str) -> list[Path]:
    """The files that match a glob below a folder, sorted. Leading parts that exist literally as folders are not treated as patterns."""
    return [entry for entry in _below(root, glob) if entry.is_file()]


def _below(root: Path, glob: str) -> list[Path]:
    parts = PurePath(glob).parts
    while len(parts) > 1 and (root / parts[0]).is_dir():
        root, parts = root / parts[0], parts[1:]
    return sorted(root.glob("/".join(parts)))


def missing_file(path: Path) -> MissingFile:
    """The error for a path that does not exist as expected: it names what is there instead, the most similar name next to it, or the part
    of the path that is missing."""
    missing = next(part for part in (path, *path.parents) if part.parent.is_dir())
    through = "" if missing == path else f": there is no {missing}"
    if os.path.lexists(missing):
        wanted = "a file" if missing.is_dir() else "a folder" if missing.is_file() or missing != path else "a file or a folder"
        return MissingFile(f"{path}: expected {wanted}, found {_kind(missing)}" + ("" if missing == path else f" at {missing}"))
    return MissingFile(f"{path} does not exist{through}; {nearest(missing.name, (entry.name for entry in missing.parent.iterdir()))}")


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, with links resolved, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())


def _existing(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def check_file(path: Path, folder: Path) -> None:
    """Raise DataError for anything but files and folders, and for links to outside `folder`."""
    check_kind(path)
    if not is_inside(path, folder):
        raise DataError(f"{path}: a link that leads out of {folder}; put the file itself there")


def check_kind(path: Path) -> None:
    """Raise DataError for anything but files and folders."""
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: expected a file or a folder, found {_kind(path)}; remove it, or put a file there")


def _kind(path: Path) -> str:
    """The kind of entry at a path, with links resolved."""
    if path.is_dir() or path.is_file():
        return "a folder" if path.is_dir() else "a file"
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a broken link"
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
