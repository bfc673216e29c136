"""Users in groups by what is known of them: the columns of the users table, and how long ago training last heard of them."""

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from mmrec.evaluation.measure.quartiles import MAX_GROUPS, bin_quartiles, is_measured
from mmrec.types import TIMESTAMP, USER_ID

Groups = dict[str, Bool[Tensor, " n_users"]]
"""Disjoint, in the order in which they are shown; a True is at a user_idx."""
RECENCY = "recency"
DAY = 86_400
_WITHIN = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}
_LONGER, _OVERLAP, _NEVER = "longer", "overlap", "never"


def user_groups(
    users: pl.DataFrame | None, user_ids: pl.Series, train: pl.DataFrame, test: pl.DataFrame
) -> dict[str, dict[str, Bool[Tensor, " n_users"]]]:
    """All kinds of groups that the data allow, `users.<column>` and `recency`; `user_ids` are in the order of user_idx."""
    by_time = {RECENCY: recency_groups(user_ids, train, test)} if TIMESTAMP in train.columns else {}
    return column_groups(users, user_ids) | by_time


def column_groups(users: pl.DataFrame | None, user_ids: pl.Series) -> dict[str, dict[str, Bool[Tensor, " n_users"]]]:
    """A kind `users.<column>` for every one of the `sliced_columns`, its groups in their order, last `not given`; numbers in quartiles."""
    sliced = sliced_columns(users, user_ids).drop(USER_ID)
    return {f"users.{column.name}": _by_value(bin_quartiles(column) if is_measured(column) else column) for column in sliced}


def sliced_columns(users: pl.DataFrame | None, user_ids: pl.Series) -> pl.DataFrame:
    """`user_id` in the order of user_idx, and the columns of the users table that make groups of these users.

    They have two to 25 distinct values, or they are of numbers that can be binned (`is_measured`).
    """
    known = user_ids.alias(USER_ID).to_frame()
    if users is None:
        return known
    aligned = known.join(users, on=USER_ID, how="left", maintain_order="left")
    flat = [column for column in aligned.drop(USER_ID) if not column.dtype.is_nested()]
    return aligned.select(USER_ID, *(one.name for one in flat if 2 <= one.drop_nulls().n_unique() <= MAX_GROUPS or is_measured(one)))


def recency_groups(user_ids: pl.Series, train: pl.DataFrame, test: pl.DataFrame) -> dict[str, Bool[Tensor, " n_users"]]:
    """Users by the time from their last interaction in `train` to their first one in `test`; those without one there are in no group.

    Within a `day`, `week` (7 days), `month` (30 days), or `longer`; `never` without a row in training; `overlap` where training goes on
    past the first test interaction, as a split that ignores time has it.
    """
    last = train.group_by(USER_ID).agg(last=pl.col(TIMESTAMP).max())
    first = test.group_by(USER_ID).agg(first=pl.col(TIMESTAMP).min())
    both = user_ids.alias(USER_ID).to_frame()
    for times in (last, first):
        both = both.join(times, on=USER_ID, how="left", maintain_order="left")
    gap = both["first"] - both["last"]
    inside, low = {}, 0
    for name, high in _WITHIN.items():
        inside[name] = (gap >= low) & (gap <= high)
        low = high + 1
    inside |= {_LONGER: gap >= low, _OVERLAP: gap < 0, _NEVER: both["first"].is_not_null() & both["last"].is_null()}
    return {name: _mask(rows) for name, rows in inside.items()}


def _by_value(column: pl.Series) -> dict[str, Bool[Tensor, " n_users"]]:
    groups = {str(value): _mask(column == value) for value in column.drop_nulls().unique().sort()}
    return groups | ({"not given": _mask(column.is_null())} if column.null_count() else {})


def _mask(rows: pl.Series) -> Bool[Tensor, " n_users"]:
    return torch.from_numpy(rows.fill_null(False).to_numpy(writable=True))
