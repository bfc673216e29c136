"""Choose the text and image columns of the items, by settings or by column names."""

from collections.abc import Collection

import polars as pl

from mmrec.data.pictures.names import is_pattern
from mmrec.errors import ConfigError, nearest
from mmrec.types import ITEM_ID

IMAGE_COLUMN = "image"


def choose_image(items: pl.DataFrame, image_column: str | None, place: str) -> str | None:
    """The column with image paths: the given one; `image` for a pattern of file names; by default `image`, if it exists and holds text.

    Raises:
        ConfigError: the column does not exist or holds no text; the message starts with `place`.
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
    """The text columns: the given ones; by default all that hold text, titles first, except ids, images and the columns `taken`.

    Raises:
        ConfigError: a column does not exist; the message starts with `place`.
    """
    if text_columns is not None:
        for name in text_columns:
            check_item_column(items, name, place)
        return tuple(text_columns)
    texts = [name for name, dtype in items.schema.items() if dtype == pl.String and name not in (ITEM_ID, image, *taken)]
    return tuple(sorted(texts, key=_title_likeness))


def _title_likeness(name: str) -> int:
    """A sort key: 0 for columns that are surely titles, 2 for columns that surely are not."""
    lower = name.lower()
    return 0 if lower in ("title", "name") else 1 if "title" in lower or "name" in lower else 2


def check_item_column(items: pl.DataFrame, name: str, key: str) -> None:
    """Raise ConfigError, starting with `key`, if the items have no such column."""
    if name not in items.columns:
        raise ConfigError(f"{key}: the items have no column `{name}`; {nearest(name, items.columns)}")
