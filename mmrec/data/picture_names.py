"""Pictures that no table names: their files are called by the ids of the items."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mmrec.errors import ConfigError

BY_ID = "{item_id}"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")


def pictures_by_id(folder: Path, pattern: str, item_ids: pl.Series, place: str) -> pl.Series:
    """The picture of each item, relative to the folder, null where there is none.

    `pattern` is a glob with `{item_id}` once in its last part, `pictures/**/{item_id}.*` say. Of several files the first by name counts.
    Raises ConfigError, which starts with `place`, for any other pattern.
    """
    parent, _, last = pattern.rpartition("/")
    if last.count(BY_ID) != 1 or BY_ID in parent or pattern.startswith("/") or re.search(r"(^|/)\.\.(/|$)|[^/]\*\*|\*\*[^/]", pattern):
        raise ConfigError(f"{place}: expected a glob inside the folder with {BY_ID} once, in its last part; found `{pattern}`")
    name = re.compile("(.+)".join(re.escape(text).replace(r"\*", ".*") for text in last.split(BY_ID)))
    found: dict[str, str] = {}
    for path in _pictures(folder, pattern.replace(BY_ID, "*")):
        if match := name.fullmatch(path.name):
            found.setdefault(match[1], path.relative_to(folder).as_posix())
    return pl.Series([found.get(item_id) for item_id in item_ids], dtype=pl.String)


def _pictures(folder: Path, glob: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(glob)) if path.suffix.lower() in SUFFIXES and path.is_file())
