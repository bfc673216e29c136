"""Which columns of the items are their text and their image, by what is said or by their names."""

from collections.abc import Collection

import polars as pl

from mmrec.data.pictures.names import is_pattern
from mmrec.errors import ConfigError, nearest
from mmrec.types import ITEM_ID

IMAGE_COLUMN = "image"


def choose_image(items: pl.DataFrame, image_column: str | None, place: str) -> str | None:
    """The column of image paths: the one that is given, `image` for a pattern of file names; else `image` where it is there and holds text.

    Raises ConfigError, which starts with `place`, for a column that is not there or holds no text.
    """
    if image_column is None:
        return IMAGE_COLUMN if items.schema.get(IMAGE_COLUMN) == pl.String else None
    if is_pattern(image_column):
        return IMAGE_COLUMN
    check_item_column(items, image_column, place)
    if items.schema[image_column].is_nested():
        raise ConfigError(f"{place}: expected a column of text, `{image_column}` holds {items.schema[image_column]}")
    return image_column


def choose_texts(
    items: pl.DataFrame, text_columns: list[str] | None, image: str | None, place: str, taken: Collection[str] = ()
) -> tuple[str, ...]:
    """The columns of text: those that are given, else all that hold text, title-like ones first, ids, images and those `taken` excepted.

    Raises ConfigError, which starts with `place`, for a column that is not there.
    """
    if text_columns is not None:
        for name in text_columns:
            check_item_column(items, name, place)
        return tuple(text_columns)
    texts = [name for name, dtype in items.schema.items() if dtype == pl.String and name not in (ITEM_ID, image, *taken)]
    return tuple(sorted(texts, key=_title_likeness))


def _title_likeness(name: str) -> int:
    """0 for a column that is surely a title, 2 for one that is surely not."""
    lower = name.lower()
    return 0 if lower in ("title", "name") else 1 if "title" in lower or "name" in lower else 2


def check_item_column(items: pl.DataFrame, name: str, key: str) -> None:
    """Raise ConfigError, which starts with `key`, for a column that the items have not."""
    if name not in items.columns:
        raise ConfigError(f"{key}: the items have no column `{name}`; {nearest(name, items.columns)}")
