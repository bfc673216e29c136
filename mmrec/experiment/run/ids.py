"""Ids as people write them, and their positions in the order of a run."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.tables.id_codes import positions
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.types import USER_ID

Ids = str | int | Sequence[str] | Sequence[int] | pl.Series
"""One or several ids."""


def as_ids(ids: Any) -> pl.Series:
    """Convert one or several ids to a series of texts."""
    if isinstance(ids, pl.Series):
        return ids.cast(pl.String)
    one = [ids] if isinstance(ids, str | int) else ids
    return pl.Series([str(name) for name in one], dtype=pl.String)


def positions_of(ids: pl.Series, known: pl.Series, key: str) -> Int64[Tensor, " n"]:
    """Return the positions of ids among the known ones. Raises DataError, naming `key`, for unknown ids."""
    places = positions(ids, known)
    if places.null_count():
        unknown = ids.filter(places.is_null())
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(f"{key}: `{unknown[0]}`{more} is not in the run; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(places.cast(pl.Int64).to_numpy(writable=True))


def mask_of(item_idx: Int64[Tensor, " n"], n_items: int) -> Bool[Tensor, " n_items"]:
    """Return True for the given items and False for all others."""
    inside = torch.zeros(n_items, dtype=torch.bool)
    inside[item_idx] = True
    return inside


def names_of_histories(histories: Sequence[Sequence[str]], user_ids: Ids | None) -> pl.Series:
    """Return the names of the users of histories: the given ones, or their positions.

    Raises:
        ConfigError: there are more or fewer names than histories, or a history is a text.
    """
    names = pl.Series(USER_ID, [str(n) for n in range(len(histories))], pl.String) if user_ids is None else as_ids(user_ids)
    if len(names) != len(histories):
        raise ConfigError(f"user_ids: expected a name for each of {len(histories):,} histories, found {len(names):,}")
    if any(isinstance(one, str) for one in histories):
        raise ConfigError('histories: expected a list of items for each user, [["sku-1", "sku-9"]], found a list of texts')
    return names
