"""Ids of users and items, as callers of a run give them, and the tables that it returns."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.tables.id_codes import positions
from mmrec.errors import DataError, nearest

Ids = str | int | Sequence[str] | Sequence[int] | pl.Series
"""One or several ids."""


def as_ids(ids: Any) -> pl.Series:
    """Convert one or several ids to a series of texts."""
    if isinstance(ids, pl.Series):
        return ids.cast(pl.String)
    one = [ids] if isinstance(ids, str | int) else ids
    return pl.Series([str(name) for name in one], dtype=pl.String)


def empty_table(first: str, last: str) -> pl.DataFrame:
    """Return a table of ranked items without rows."""
    return pl.DataFrame(schema={first: pl.String, "rank": pl.Int64, last: pl.String, "score": pl.Float32})


def positions_in(ids: pl.Series, known: pl.Series, key: str) -> Int64[Tensor, " n"]:
    """The positions of ids among the known ones. Raises DataError for unknown ids."""
    places = positions(ids, known)
    if places.null_count():
        unknown = ids.filter(places.is_null())
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(f"{key}: `{unknown[0]}`{more} is not in the run; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(places.cast(pl.Int64).to_numpy(writable=True))
