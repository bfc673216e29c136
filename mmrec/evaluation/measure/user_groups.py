"""Groups of users: by the columns of the users table, and by the time since their last training interaction."""

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from mmrec.evaluation.measure.quartiles import MAX_GROUPS, bin_quartiles, is_measured
from mmrec.types import TIMESTAMP, USER_ID

Groups = dict[str, Bool[Tensor, " n_users"]]
"""Disjoint masks over user_idx, in the order of display."""
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
    """A kind `users.<column>` for each of the `sliced_columns`, with ordered groups, `not given` last, and numbers in quartiles."""
    sliced = sliced_columns(users, user_ids).drop(USER_ID)
    return {f"users.{column.name}": _by_value(bin_quartiles(column) if is_measured(column) else column) for column in sliced}


def sliced_columns(users: pl.DataFrame | None, user_ids: pl.Series) -> pl.DataFrame:
    """`user_id` in the order of user_idx, and the columns of the users table that are suitable for grouping.

    These have two to 25 distinct values, or are numeric and can be binned (`is_measured`).
    """
    known = user_ids.alias(USER_ID).to_frame()
    if users is None:
        return known
    aligned = known.join(users, on=USER_ID, how="left", maintain_order="left")
    flat = [column for column in aligned.drop(USER_ID) if not column.dtype.is_nested()]
    return aligned.select(USER_ID, *(one.name for one in flat if 2 <= one.drop_nulls().n_unique() <= MAX_GROUPS or is_measured(one)))


def recency_groups(user_ids: pl.Series, train: pl.DataFrame, test: pl.DataFrame) -> dict[str, Bool[Tensor, " n_users"]]:
    """Users by the time from their last training interaction to their first test interaction; users without the latter are in no group.

    The groups are: within a `day`, `week` (7 days) or `month` (30 days), `longer`, `never` (no training interaction), and `overlap` if
    training interactions are later than the first test interaction, as in splits that ignore time.
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
