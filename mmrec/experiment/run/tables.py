"""Ids as people write them, and the tables and scores of a run."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.tables.id_codes import positions
from mmrec.errors import DataError, nearest

Ids = str | int | Sequence[str] | Sequence[int] | pl.Series
"""One or several ids."""


def masked(
    scores: Float[Tensor, "batch n_items"], seen: tuple[Tensor, Tensor] | None, inside: Bool[Tensor, " n_items"] | None
) -> Float[Tensor, "batch n_items"]:
    """Return the scores with -inf for items that are seen or not among the candidates `inside`, in place."""
    if seen is not None:
        scores[seen] = -torch.inf
    if inside is not None:
        scores[:, ~inside] = -torch.inf
    return scores


def as_ids(ids: Any) -> pl.Series:
    """Convert one or several ids to a series of texts."""
    if isinstance(ids, pl.Series):
        return ids.cast(pl.String)
    one = [ids] if isinstance(ids, str | int) else ids
    return pl.Series([str(name) for name in one], dtype=pl.String)


def empty_table(first: str, last: str) -> pl.DataFrame:
    """Return a table of ranked items without rows."""
    return pl.DataFrame(schema={first: pl.String, "rank": pl.Int64, last: pl.String, "score": pl.Float32})


def positions_of(ids: pl.Series, known: pl.Series, key: str) -> Int64[Tensor, " n"]:
    """Return the positions of ids among the known ones. Raises DataError, naming `key`, for unknown ids."""
    places = positions(ids, known)
    if places.null_count():
        unknown = ids.filter(places.is_null())
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(f"{key}: `{unknown[0]}`{more} is not in the run; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(places.cast(pl.Int64).to_numpy(writable=True))
