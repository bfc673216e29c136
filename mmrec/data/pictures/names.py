"""Locate pictures that no table lists, by file names that contain a column of the items, usually their ids."""

import re
from pathlib import PurePosixPath
from typing import TypeGuard

import polars as pl

from mmrec.errors import ConfigError, nearest
from mmrec.files.store import Store

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")
_FIELD = re.compile(r"\{([^{}]+)\}")
_NO_GLOB = re.compile(r"^/|(^|/)\.\.(/|$)|[^/]\*\*|\*\*[^/]")


def is_pattern(image_column: str | None) -> TypeGuard[str]:
    """Whether the setting is a file name pattern rather than a column of paths."""
    return image_column is not None and _FIELD.search(image_column) is not None


def find_pictures(store: Store, pattern: str, items: pl.DataFrame, place: str) -> pl.Series:
    """The picture of each item, relative to the store; null if there is none.

    Args:
        store: the store of pictures.
        pattern: a glob with one column name in braces, in its last part: `pictures/**/{item_id}.*`, or `photos/{photo}`. If several files
            match, the first by name is used.
        items: the table of items.
        place: the setting of the pattern, for messages.

    Raises:
        ConfigError: the pattern is invalid, or a remote store lists no matching file.
    """
    fields, last = _FIELD.findall(pattern), pattern.rpartition("/")[2]
    if len(fields) != 1 or not _FIELD.search(last) or _NO_GLOB.search(pattern):
        raise ConfigError(f"{place}: expected a glob inside the folder with {{item_id}} once, in its last part; found `{pattern}`")
    if fields[0] not in items.columns:
        raise ConfigError(f"{place}: the items have no column `{fields[0]}`; {nearest(fields[0], items.columns)}")
    before, _, after = last.partition(f"{{{fields[0]}}}")
    found: dict[str, str] = {}
    for path in map(PurePosixPath, list_pictures(store, pattern)):
        if path.suffix.lower() in SUFFIXES and (value := _value_in(path.name, before, after)):
            found.setdefault(value, str(path))
    if store.is_remote and not found:
        raise ConfigError(
            f"{place}: {store.url} lists no picture called `{pattern}`; a column of the items may name their pictures instead"
        )
    return pl.Series([found.get(value) for value in items[fields[0]].cast(pl.String)], dtype=pl.String)


def list_pictures(store: Store, pattern: str) -> list[str]:
    """The names in a store that match a pattern with any value in its braces."""
    folders, slash, last = pattern.rpartition("/")
    stars = re.sub(r"\*+", "*", _FIELD.sub("*", last))
    literal = re.sub(r"[\[?]", r"[\g<0>]", stars)  # in the last part, only * is a wildcard
    return list(store.names(f"{folders}{slash}{literal}"))


def _value_in(name: str, before: str, after: str) -> str | None:
    """The text between two wildcard patterns (`*` for any text) that match the rest of a name; None if they do not match.

    Each `*` before the value is greedy, the first one most, then the value. A regular expression would be equivalent, but its worst-case
    time is polynomial of a degree that grows with the number of stars.
    """
    (prefix, *middles), (*others, suffix) = before.split("*"), after.split("*")
    start, end = len(prefix), len(name) - len(suffix)
    if end < start or not name.startswith(prefix) or not name.endswith(suffix):
        return None
    for text in reversed(others):
        if (end := name.rfind(text, start, end)) < 0:
            return None
    begin, stop = start, end - 1
    for number, text in enumerate(reversed(middles)):
        if (stop := name.rfind(text, start, stop)) < 0:
            return None
        begin = begin if number else stop + len(text)
    return name[begin:end] or None
