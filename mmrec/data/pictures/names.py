"""Pictures whose paths no table has: their files are called by what a column of the items holds, by the ids most often."""

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
    """Whether this says where pictures lie, rather than which column has their paths."""
    return image_column is not None and _FIELD.search(image_column) is not None


def find_pictures(store: Store, pattern: str, items: pl.DataFrame, place: str) -> pl.Series:
    """The picture of each item, relative to the store, null where there is none.

    `pattern` is a glob that has a column's name in braces once, in its last part: `pictures/**/{item_id}.*`, or `photos/{photo}`. Of
    several files the first by name counts. Raises ConfigError, which starts with `place`, for any other pattern, and where a
    store that is no folder lists no such file at all.
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
    """The names in a store that a pattern may mean, whatever stands in its braces."""
    folders, slash, last = pattern.rpartition("/")
    stars = re.sub(r"\*+", "*", _FIELD.sub("*", last))
    literal = re.sub(r"[\[?]", r"[\g<0>]", stars)  # of the last part, nothing but * stands for other letters
    return list(store.names(f"{folders}{slash}{literal}"))


def _value_in(name: str, before: str, after: str) -> str | None:
    """What stands between two patterns, with `*` for any text, that fill the rest of a name; None where they do not fit.

    Each `*` before it takes as much as it can, the first most; then the value does. A regular expression would say the same, and take
    time that grows with a power of the number of stars.
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
