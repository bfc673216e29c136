"""The mapping between the text ids of files and the contiguous indices of tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.tables.id_codes import distinct, positions
from mmrec.errors import DataError, nearest
from mmrec.types import EVENT, ITEM_ID, LABEL, POSITION, PROPENSITY, RATING, TIMESTAMP, USER_ID, Dataset, Interactions

_COLUMNS = {TIMESTAMP: (pl.Int64, 0), POSITION: (pl.Int64, -1)} | dict.fromkeys((RATING, LABEL, PROPENSITY), (pl.Float32, math.nan))
"""By column, the type as a tensor and the value that encodes null; times are never null."""


def check_catalogue(dataset: Dataset) -> None:
    """Raise DataError if there are fewer than two items, so that nothing can be ranked."""
    if (n_items := len(dataset.items)) < 2:
        raise DataError(f"{dataset.name}: expected at least two items, found {n_items}, so there is nothing to rank; add further items")


@dataclass(frozen=True)
class Index:
    """Users and items by index: `user_ids[user_idx]` is the id of a user.

    The order is a random permutation. Ties in scores are broken by `item_idx`, so a meaningful order (by file, age or popularity) would
    give a constant scorer some skill.
    """

    user_ids: pl.Series
    """String, distinct: every user with an interaction."""
    item_ids: pl.Series
    """String, distinct: every item of the catalogue."""
    events: tuple[str, ...] = ()
    """The kinds of events in the interactions, sorted."""

    @classmethod
    def build(cls, dataset: Dataset, seed: int) -> Self:
        """Build the index of a dataset, as a function of the sets of ids and the seed, but not of the order of rows."""
        user_stream, item_stream = np.random.SeedSequence(seed).spawn(2)
        return cls(
            _shuffled(dataset.interactions[USER_ID], user_stream).alias(USER_ID),
            _shuffled(dataset.items[ITEM_ID], item_stream).alias(ITEM_ID),
            tuple(dataset.interactions[EVENT].drop_nulls().unique().sort()) if EVENT in dataset.interactions.columns else (),
        )

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def user_idx(self, ids: Sequence[str] | pl.Series) -> Int64[Tensor, " n"]:
        """Map ids to indices. Raises DataError for an unknown id."""
        return _look_up(self.user_ids, ids)

    def item_idx(self, ids: Sequence[str] | pl.Series) -> Int64[Tensor, " n"]:
        """Map ids to indices. Raises DataError for an unknown id."""
        return _look_up(self.item_ids, ids)

    def user_id(self, user_idx: Int64[Tensor, " n"]) -> pl.Series:
        return self.user_ids.gather(user_idx.cpu().numpy())

    def item_id(self, item_idx: Int64[Tensor, " n"]) -> pl.Series:
        return self.item_ids.gather(item_idx.cpu().numpy())

    def interactions(self, frame: pl.DataFrame) -> Interactions:
        """Convert a table with `user_id`, `item_id` and any further columns of `Interactions` to tensors, row by row.

        Events are encoded by their position in `events`, and left out if that is empty. Raises DataError for an unknown id.
        """
        columns = {name: frame[name] for name in _COLUMNS if name in frame.columns}
        tensors = {name: _tensor(column, *_COLUMNS[name]) for name, column in columns.items()}
        if self.events and EVENT in frame.columns:
            codes = positions(frame[EVENT], pl.Series(self.events, dtype=pl.String))
            tensors[EVENT] = _tensor(codes, pl.Int64, -1)
        return Interactions(self.user_idx(frame[USER_ID]), self.item_idx(frame[ITEM_ID]), events=self.events, **tensors)

    def align_users(self, users: pl.DataFrame) -> pl.DataFrame:
        """Reorder `users` by `user_idx`; users without a row have nulls. Raises DataError if a user has several rows."""
        aligned = self.user_ids.to_frame().join(users, on=USER_ID, how="left", maintain_order="left")
        if len(aligned) != self.n_users:
            raise DataError(f"expected at most one row for each of {self.n_users:,} users, some have more")
        return aligned

    def align(self, items: pl.DataFrame) -> pl.DataFrame:
        """Reorder `items` by `item_idx`. Raises DataError if an item has no row, or several."""
        aligned = self.item_ids.to_frame().join(items, on=ITEM_ID, how="left", maintain_order="left")
        without = self.item_ids.filter(~self.item_ids.is_in(items[ITEM_ID].implode()))
        if len(without) or len(aligned) != self.n_items:
            what = f"`{without[0]}` has none" if len(without) else "some have more"
            raise DataError(f"expected one row for each of {self.n_items:,} items, {what}")
        return aligned


def indices_of(ids: pl.Series, known: Sequence[str] | pl.Series) -> Int64[Tensor, " n"]:
    """Return the positions of ids among the known ones, -1 for others."""
    return _tensor(positions(ids, pl.Series(known, dtype=pl.String)), pl.Int64, -1)


def _tensor(column: pl.Series, dtype: type[pl.DataType], missing: int | float) -> Tensor:
    return torch.from_numpy(column.cast(dtype).fill_null(missing).to_numpy(writable=True))


def _shuffled(ids: pl.Series, stream: np.random.SeedSequence) -> pl.Series:
    known = distinct(ids).sort()
    return known.gather(np.random.default_rng(stream).permutation(len(known)))


def _look_up(known: pl.Series, ids: Sequence[str] | pl.Series) -> Int64[Tensor, " n"]:
    wanted = pl.Series(ids, dtype=pl.String)
    found = positions(wanted, known)
    if found.null_count():
        unknown = wanted.filter(found.is_null())
        others = f" ({len(unknown):,} such ids)" if len(unknown) > 1 else ""
        raise DataError(f"expected {known.name} to be one of the dataset, found `{unknown[0]}`{others}; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(found.to_numpy().astype(np.int64))
