"""Which files a table is in, and what to say where it is in none."""

from pathlib import Path

from mmrec.errors import MissingFile, nearest


def files_of(path: Path) -> list[Path]:
    """The one file; those of a folder, without hidden ones and marks such as `_SUCCESS`; or those that a glob such as `orders-*.csv` names.

    They are in the order of their names. Empty where there is none.
    """
    if path.is_dir():
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))
    if path.is_file():
        return [path]
    root = next(parent for parent in path.parents if parent.is_dir())
    return sorted(found for found in root.glob(str(path.relative_to(root))) if found.is_file())


def missing_file(path: Path) -> MissingFile:
    """The error for a path that is not there: names the nearest one beside it, or the part of the path that is missing."""
    missing = next(part for part in (path, *path.parents) if part.parent.is_dir())
    through = "" if missing == path else f": there is no {missing}"
    return MissingFile(f"{path} does not exist{through}; {nearest(missing.name, (entry.name for entry in missing.parent.iterdir()))}")
