"""Build the text of an item for encoders."""

from collections.abc import Sequence

import polars as pl


def item_texts(items: pl.DataFrame, text_columns: Sequence[str]) -> list[bytes | None]:
    """The text of each row in UTF-8, with columns joined like sentences ("Title. genre. plot"); None if all are null or blank."""
    columns = [_text_column(items[name]) for name in text_columns]
    return [_join_sentences([part for part in row if part]) for row in zip(*columns, strict=True)]


def _text_column(column: pl.Series) -> list[str | None]:
    if isinstance(column.dtype, pl.List):
        column = column.cast(pl.List(pl.String)).list.join(", ")
    return column.cast(pl.String).str.strip_chars().to_list()


def _join_sentences(parts: list[str]) -> bytes | None:
    text = " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts[:-1])
    return f"{text} {parts[-1]}".strip().encode() if parts else None
