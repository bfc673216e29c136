"""Finding the files of tables in a folder: by their names, inside of it only."""

from pathlib import Path

from mmrec.data.compressed import COMPRESSIONS
from mmrec.errors import DataError, MissingFile, nearest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".nt", ".ttl", ".graphml")


def find_table(folder: Path, stem: str) -> Path | None:
    """The table called `stem` in a folder, whichever format it has; None where there is none. Raises DataError where there are
    two, and for a link that leads out of the folder."""
    names = [f"{stem}{suffix}{packed}" for suffix in SUFFIXES for packed in ("", *COMPRESSIONS)]
    found = [path for name in (stem, *names) if (path := folder / name).is_file() or (name == stem and path.is_dir())]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one `{stem}` table, found {' and '.join(path.name for path in found)}; remove all but one")
    for path in found:
        _check_within(path, folder)
    return found[0] if found else None


def part_files(folder: Path) -> list[Path]:
    """The files of a table that is a folder, in the order of their names; hidden ones are none of it.

    Raises DataError for a link that leads out of the folder.
    """
    parts = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    for part in parts:
        _check_within(part, folder)
    return parts


def missing_file(path: Path) -> MissingFile:
    """The error for a path that is not there: names the nearest one beside it, or the part of the path that is missing."""
    missing = next(part for part in (path, *path.parents) if part.parent.is_dir())
    through = "" if missing == path else f": there is no {missing}"
    return MissingFile(f"{path} does not exist{through}; {nearest(missing.name, (entry.name for entry in missing.parent.iterdir()))}")


def _check_within(path: Path, folder: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{path}: a link that leads out of {folder}; put the file itself there")
