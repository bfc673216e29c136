"""Finding the files of tables in a folder: by their names, inside of it only."""

from collections.abc import Sequence
from pathlib import Path

from mmrec.errors import DataError, MissingFile, nearest
from mmrec.files.compressed import COMPRESSIONS

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet", ".nt", ".ttl", ".graphml")


def find_table(folder: Path, stem: str, suffixes: Sequence[str] = SUFFIXES) -> Path | None:
    """The table called `stem` in a folder, whichever format it has; None where there is none. Raises DataError where there are
    two, and for a link that leads out of the folder."""
    names = [f"{stem}{suffix}{packed}" for suffix in suffixes for packed in ("", *COMPRESSIONS)]
    found = [path for name in (stem, *names) if (path := folder / name).is_file() or (name == stem and path.is_dir())]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one `{stem}` table, found {' and '.join(path.name for path in found)}; remove all but one")
    for path in found:
        _check_within(path, folder)
    return found[0] if found else None


def files_of(path: Path) -> list[Path]:
    """The one file; those of a folder, without hidden ones and marks such as `_SUCCESS`; or those that a glob such as `orders-*.csv` names.

    They are in the order of their names. Empty where there is none. Raises DataError for a link in a folder that leads out of it.
    """
    if path.is_dir():
        parts = sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))
        for part in parts:
            _check_within(part, path)
        return parts
    if path.is_file():
        return [path]
    root = next(parent for parent in path.parents if parent.is_dir())
    return sorted(found for found in root.glob(str(path.relative_to(root))) if found.is_file())


def missing_file(path: Path) -> MissingFile:
    """The error for a path that is not there: names the nearest one beside it, or the part of the path that is missing."""
    missing = next(part for part in (path, *path.parents) if part.parent.is_dir())
    through = "" if missing == path else f": there is no {missing}"
    return MissingFile(f"{path} does not exist{through}; {nearest(missing.name, (entry.name for entry in missing.parent.iterdir()))}")


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())


def _check_within(path: Path, folder: Path) -> None:
    if not is_inside(path, folder):
        raise DataError(f"{path}: a link that leads out of {folder}; put the file itself there")
