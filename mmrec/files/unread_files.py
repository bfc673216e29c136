"""Name the files of a data folder that no table is read from, with a remedy, so that none is ignored silently."""

from collections.abc import Iterable
from pathlib import Path

from mmrec.files.compressed import COMPRESSIONS
from mmrec.files.locate import SUFFIXES, is_inside

_SHOWN = 8
_NO_TABLES = ("ingest.json", "truth.json", "readme.txt", "license.txt", "licence.txt", "copying.txt", "requirements.txt")
"""Files that mmrec or users usually place next to tables, in lower case."""
_START = 4096
"""The number of bytes inspected to find the separator of MovieLens."""
_TEXT, _LINES, _GRAPH = "save it as .csv", "write one JSON object a line into a .jsonl", "convert it to Turtle (.ttl) or N-Triples (.nt)"
_REMEDIES = {
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".ods", ".sqlite", ".db", ".h5", ".pkl", ".pickle"), _TEXT),
    **dict.fromkeys((".json", ".ndjson"), _LINES),
    **dict.fromkeys((".rdf", ".owl", ".xml", ".n3", ".nq", ".trig", ".jsonld", ".gexf"), _GRAPH),
    **dict.fromkeys((".feather", ".arrow", ".avro", ".orc"), "save it as .parquet"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "unpack it"),
    **dict.fromkeys((".dat", ".data", ".tab"), "call it .tsv, or .csv"),
}
"""By suffix, how to convert a file to a table."""


def remedy_for(path: Path) -> str:
    """What to do so that a file can be read as a table; empty if it is readable as it is, or cannot contain a table."""
    if path.suffix in COMPRESSIONS:
        path = path.with_suffix("")
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix != path.suffix:
        return f"call it {suffix}, in small letters"
    if suffix == ".dat" and path.is_file():
        with path.open("rb") as file:
            if b"::" in file.read(_START):
                return "data=movielens_1m reads MovieLens with its `::`; of other data, write commas for `::` and save it as .csv"
    return _REMEDIES.get(suffix, "")


def name_unread(folder: Path, read: Iterable[Path]) -> tuple[str, ...]:
    """A note that names the files of a folder that may be tables but are not in `read`; subfolders are not searched."""
    known = {path.name for path in read if path.parent == folder}
    found = []
    for path in sorted(folder.iterdir()):
        if path.name in known or path.name.startswith((".", "_")) or path.name.lower() in _NO_TABLES:
            continue
        if not path.is_file() or not is_inside(path, folder):
            continue
        remedy = remedy_for(path)
        if remedy or (path.with_suffix("") if path.suffix in COMPRESSIONS else path).suffix in SUFFIXES:
            found.append(f"{path.name} ({remedy})" if remedy else path.name)
    if not found:
        return ()
    more = f", … ({len(found) - _SHOWN:,} more)" if len(found) > _SHOWN else ""
    return (f"{folder}: not read, since they are not known to be tables: {', '.join(found[:_SHOWN])}{more}",)
