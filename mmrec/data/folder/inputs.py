"""Inputs of further encoders in a folder: `inputs: {reviews: {text_columns: [review]}, back: {image_column: back_image}}`."""

import re
from collections.abc import Mapping
from typing import Any, TypedDict

import polars as pl

from mmrec.data.folder.item_columns import IMAGE_COLUMN, check_item_column
from mmrec.data.pictures.names import find_pictures, is_pattern
from mmrec.errors import ConfigError, nearest
from mmrec.files.store import Store
from mmrec.types import MODALITIES, RawInput


class Input(TypedDict, total=False):
    """One further input: the text of some item columns, or a picture."""

    text_columns: list[str] | None
    image_column: str | None
    """The item column with image paths, or a file name pattern with a column, `back/{item_id}.*`."""


_SHAPES = {"text_columns": list, "image_column": str}


def check_inputs(inputs: Mapping[str, Any], places: Mapping[str, str]) -> None:
    """Raise ConfigError, with the place, for names used by other modalities and for inputs that are neither text nor picture."""
    for name, said in inputs.items():
        place = places[f"inputs.{name}"]
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in (*MODALITIES, "others"):
            raise ConfigError(f"{place}: expected a name of small letters, digits and _, and none of {', '.join((*MODALITIES, 'others'))}")
        if not isinstance(said, dict) or len(said) != 1:
            raise ConfigError(f"{place}: expected either text_columns or image_column, found `{said}`")
        ((key, value),) = said.items()
        if key not in _SHAPES:
            raise ConfigError(f"{places[f'inputs.{name}.{key}']}: there is no such setting; {nearest(key, _SHAPES)}")
        texts = value if isinstance(value, list) else [value]
        if not isinstance(value, _SHAPES[key]) or not texts or not all(isinstance(one, str) and one for one in texts):
            expected = "a list of columns" if key == "text_columns" else "text"
            raise ConfigError(f"{places[f'inputs.{name}.{key}']}: expected {expected}, found `{value}`")


def named_columns(inputs: Mapping[str, Input]) -> set[str]:
    """The item columns that the inputs name."""
    return {column for one in inputs.values() for column in (*(one.get("text_columns") or ()), one.get("image_column")) if column}


def find_inputs(
    inputs: Mapping[str, Input], items: pl.DataFrame, store: Store, places: Mapping[str, str]
) -> tuple[pl.DataFrame, dict[str, RawInput]]:
    """Resolve the inputs: the items, with a further column of paths for each pattern, and the inputs by name.

    Raises:
        ConfigError: a column does not exist or holds no image paths; the message starts with the place of the setting.
    """
    found: dict[str, RawInput] = {}
    for name, one in inputs.items():
        texts, image = one.get("text_columns") or [], one.get("image_column")
        place = places[f"inputs.{name}.{'text_columns' if image is None else 'image_column'}"]
        if is_pattern(image):
            column = f"{IMAGE_COLUMN}: {name}"
            items = items.with_columns(find_pictures(store, image, items, place).alias(column))
            image = column
        for column in (*texts, *([] if image is None else [image])):
            check_item_column(items, column, place)
        found[name] = RawInput(tuple(texts), image)
    return items, found
