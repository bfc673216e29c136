"""Pictures whose paths no table has: their files are called by what a column of the items holds, by the ids most often."""

import re
from pathlib import PurePosixPath

import polars as pl

from mmrec.errors import ConfigError, nearest
from mmrec.files.store import Store

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")
_FIELD = re.compile(r"\{([^{}]+)\}")
_NO_GLOB = re.compile(r"^/|(^|/)\.\.(/|$)|[^/]\*\*|\*\*[^/]")


def is_pattern(image_column: str | None) -> bool:
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
    before, _, after = (re.escape(part).replace(r"\*", ".*") for part in last.partition(f"{{{fields[0]}}}"))
    name, found = re.compile(f"{before}(.+){after}"), {}
    for path in map(PurePosixPath, list_pictures(store, pattern)):
        if path.suffix.lower() in SUFFIXES and (match := name.fullmatch(path.name)):
            found.setdefault(match[1], str(path))
    if store.is_remote and not found:
        raise ConfigError(
            f"{place}: {store.url} lists no picture called `{pattern}`; a column of the items may name their pictures instead"
        )
    return pl.Series([found.get(value) for value in items[fields[0]].cast(pl.String)], dtype=pl.String)


def list_pictures(store: Store, pattern: str) -> list[str]:
    """The names in a store that a pattern may mean, whatever stands in its braces."""
    return list(store.names(_FIELD.sub("*", pattern)))
