"""What becomes of the interactions before they are split: a threshold on ratings, one row a pair, a k-core. Whatever goes is counted."""

from dataclasses import replace

import polars as pl

from mmrec.data.k_core import k_core
from mmrec.data.split import deduplicate
from mmrec.errors import ConfigError, DataError
from mmrec.types import ITEM_ID, RATING, SPLIT, USER_ID, Dataset, RowCount

INTERACTIONS = "interactions"
REPEATED = ("first", "last")


def filter_interactions(dataset: Dataset, *, min_rating: float | None, repeated: str, min_per_user: int, min_per_item: int) -> Dataset:
    """The dataset with fewer interactions, sorted by user_id, then item_id, and with what was removed in its `counts` and `notes`.

    Args:
        dataset: as it was read.
        min_rating: rows below it go, and rows without a rating. None: all stay.
        repeated: which row of a user and an item stays, the `first` in time or the `last`.
        min_per_user, min_per_item: the k-core, of distinct pairs: users and items with fewer go, again and again until none has fewer. An
            item that goes for that leaves the catalogue as well; with 1, an item without interactions stays in it.

    Raises:
        ConfigError: an unknown choice, or a number below 1.
        DataError: no ratings to hold against `min_rating`, or nothing is left.
    """
    if repeated not in REPEATED:
        raise ConfigError(f"filter.repeated: expected {' or '.join(REPEATED)}, found `{repeated}`")
    for name, least in (("min_per_user", min_per_user), ("min_per_item", min_per_item)):
        if least < 1:
            raise ConfigError(f"filter.{name}: expected a whole number from 1 up, found {least}")
    liked, notes = dataset.interactions, []
    if min_rating is not None:
        liked = _liked(liked, min_rating)
        notes.append(f"filter.min_rating={min_rating:g} removed {len(dataset.interactions) - len(liked):,} interactions")
    by = [name for name in (USER_ID, ITEM_ID, SPLIT) if name in liked.columns]  # a row in two given parts is the business of the split
    rows, n_repeated = deduplicate(liked, repeated, by)
    core = k_core(rows, min_per_user, min_per_item) if min_per_user > 1 or min_per_item > 1 else rows
    items = dataset.items.filter(pl.col(ITEM_ID).is_in(core[ITEM_ID].unique().implode())) if min_per_item > 1 else dataset.items
    if min_per_user > 1 or min_per_item > 1:
        notes.append(
            f"the k-core of at least {min_per_user} per user and {min_per_item} per item removed {len(rows) - len(core):,} interactions, "
            f"{rows[USER_ID].n_unique() - core[USER_ID].n_unique():,} users and {len(dataset.items) - len(items):,} items"
        )
    if core.is_empty() and len(dataset.interactions):
        raise DataError(f"{dataset.name}: nothing is left of {len(dataset.interactions):,} interactions; {'; '.join(notes)}")
    counts = {count.table: count for count in dataset.counts}
    count = counts.get(INTERACTIONS, RowCount(INTERACTIONS, len(dataset.interactions)))
    n_filtered = len(dataset.interactions) - len(liked) + len(rows) - len(core)
    counts[INTERACTIONS] = replace(count, n_deduplicated=count.n_deduplicated + n_repeated, n_filtered=count.n_filtered + n_filtered)
    return replace(dataset, interactions=core, items=items, counts=tuple(counts.values()), notes=(*dataset.notes, *notes))


def _liked(interactions: pl.DataFrame, min_rating: float) -> pl.DataFrame:
    if RATING not in interactions.columns:
        raise DataError(f"filter.min_rating needs a column `{RATING}`; name the one that holds the ratings with data.columns.{RATING}=…")
    return interactions.filter(pl.col(RATING) >= min_rating)
