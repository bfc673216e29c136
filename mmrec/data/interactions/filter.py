"""Filter interactions before splitting: a rating threshold, labels, deduplication and a k-core. Removed rows are counted."""

from dataclasses import dataclass, replace
from typing import Literal, cast

import polars as pl

from mmrec.data.interactions.k_core import k_core
from mmrec.data.interactions.split import distinct_rows
from mmrec.errors import ConfigError, DataError
from mmrec.row_count import RowCount
from mmrec.types import ITEM_ID, LABEL, RATING, SPLIT, USER_ID, Dataset

INTERACTIONS = "interactions"
REPEATED = ("first", "last")
LABELS = ("positive", "ignore", "keep")
"""What happens with the column `label`: rows of label 0 are removed, the column is ignored, or rows are impressions to learn from."""


@dataclass(frozen=True)
class Filter:
    """The filter settings, validated; see `filter_interactions` for their meaning and errors."""

    min_rating: float | None = None
    repeated: str = "first"
    min_per_user: int = 1
    min_per_item: int = 1
    labels: str = "positive"

    def __post_init__(self) -> None:
        if self.labels not in LABELS:
            raise ConfigError(f"filter.labels: expected {', '.join(LABELS[:-1])} or {LABELS[-1]}, found `{self.labels}`")
        if self.repeated not in REPEATED:
            raise ConfigError(f"filter.repeated: expected {' or '.join(REPEATED)}, found `{self.repeated}`")
        for name, least in (("min_per_user", self.min_per_user), ("min_per_item", self.min_per_item)):
            if least < 1:
                raise ConfigError(f"filter.{name}: expected a whole number from 1 up, found {least}")

    @property
    def has_core(self) -> bool:
        """Whether a k-core is requested, which requires all rows at once."""
        return self.min_per_user > 1 or self.min_per_item > 1

    def apply(self, rows: pl.DataFrame, tally: "Tally") -> pl.DataFrame:
        """Apply the rating threshold and the labels, and deduplicate the complete rows of some users.

        The result is sorted by user_id, then item_id.
        """
        liked = rows.drop(LABEL, strict=False) if self.labels == "ignore" else rows
        if self.min_rating is not None:
            if RATING not in rows.columns:
                raise DataError(
                    f"filter.min_rating needs a column `{RATING}`; name the one that holds the ratings with data.columns.{RATING}=…"
                )
            liked = liked.filter(pl.col(RATING) >= self.min_rating)
        shown = liked
        if self.labels == "positive" and LABEL in rows.columns:
            liked = shown.filter(pl.col(LABEL).fill_null(1) > 0)
        by = [name for name in (USER_ID, ITEM_ID, SPLIT) if name in liked.columns]  # the split resolves pairs given to two parts
        keep = cast("Literal['first', 'last']", self.repeated)  # __post_init__ has checked it
        filtered, n_repeated = distinct_rows(liked, keep, by)
        tally.n_in += len(rows)
        tally.n_disliked += len(rows) - len(shown)
        tally.n_negative += len(shown) - len(liked)
        tally.n_repeated += n_repeated
        return filtered


@dataclass
class Tally:
    """The numbers of removed rows, by reason."""

    n_in: int = 0
    n_disliked: int = 0
    n_negative: int = 0
    """Interactions of label 0."""
    n_repeated: int = 0
    n_outside: int = 0
    """Interactions (below: users and items) outside the k-core."""
    n_users_outside: int = 0
    n_items_outside: int = 0

    def leave_out(self, rows: pl.DataFrame, core: pl.DataFrame) -> None:
        """Count the rows of some users that the k-core removed."""
        self.n_outside += len(rows) - len(core)
        self.n_users_outside += rows[USER_ID].n_unique() - core[USER_ID].n_unique()

    def notes(self, wanted: Filter, name: str) -> tuple[str, ...]:
        """A sentence for each reason. Raises DataError if nothing is left of the dataset `name`."""
        notes = []
        if wanted.min_rating is not None:
            notes.append(f"filter.min_rating={wanted.min_rating:g} removed {self.n_disliked:,} interactions")
        if self.n_negative:
            notes.append(f"{self.n_negative:,} interactions of label 0 are left out (filter.labels=positive; task=click learns from them)")
        if wanted.has_core:
            notes.append(
                f"the k-core of at least {wanted.min_per_user} per user and {wanted.min_per_item} per item removed "
                f"{self.n_outside:,} interactions, {self.n_users_outside:,} users and {self.n_items_outside:,} items"
            )
        if self.n_in and self.n_in == self.n_disliked + self.n_negative + self.n_repeated + self.n_outside:
            raise DataError(f"{name}: nothing is left of {self.n_in:,} interactions; {'; '.join(notes)}")
        return tuple(notes)

    def count(self, read: RowCount) -> RowCount:
        """Add the removed rows to the counts of reading."""
        n_filtered = read.n_filtered + self.n_disliked + self.n_negative + self.n_outside
        return replace(read, n_deduplicated=read.n_deduplicated + self.n_repeated, n_filtered=n_filtered)


def filter_interactions(
    dataset: Dataset, *, min_rating: float | None, repeated: str, min_per_user: int, min_per_item: int, labels: str = "positive"
) -> Dataset:
    """Filter the interactions of a dataset; the result is sorted by user_id, then item_id, and counts what was removed.

    Args:
        dataset: the dataset as read.
        min_rating: rows with a lower rating or none are removed. None: all rows stay.
        repeated: which row of a (user, item) pair stays: the `first` or the `last` in time.
        min_per_user, min_per_item: the k-core over distinct pairs: users and items with fewer are removed until all remaining ones have
            enough. Removed items leave the catalogue as well; with `min_per_item` 1, items without interactions stay.
        labels: `positive`: rows of label 0, shown and not chosen, are removed. `ignore`: the column is removed instead. `keep`: rows are
            impressions, of which those of a user, item, position and time are one, and a user may have several of an item.

    Raises:
        ConfigError: an unknown choice, or a number below 1.
        DataError: there are no ratings to compare with `min_rating`, or nothing is left.
    """
    wanted, tally = Filter(min_rating, repeated, min_per_user, min_per_item, labels), Tally()
    core = rows = wanted.apply(dataset.interactions, tally)
    if wanted.has_core:
        core = k_core(rows, min_per_user, min_per_item)
        tally.leave_out(rows, core)
        if min_per_item > 1:
            dataset = keep_items(dataset, core[ITEM_ID].unique(), tally)
    notes = tally.notes(wanted, dataset.name)
    counts = {count.table: count for count in dataset.counts}
    counts[INTERACTIONS] = tally.count(counts.get(INTERACTIONS, RowCount(INTERACTIONS, len(dataset.interactions))))
    return replace(dataset, interactions=core, counts=tuple(counts.values()), notes=(*dataset.notes, *notes))


def keep_items(dataset: Dataset, kept: pl.Series, tally: Tally) -> Dataset:
    """Restrict the item tables and vectors of a dataset to the items `kept`, and count the removed ones. Interactions are unchanged."""

    def of_kept(table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(pl.col(ITEM_ID).is_in(kept.implode()))

    items, links, queries, vectors = of_kept(dataset.items), dataset.item_entities, dataset.queries, {}
    for name, one in dataset.vectors.items():
        has = one.item_ids.is_in(kept.implode())
        vectors[name] = replace(one, item_ids=one.item_ids.filter(has), values=one.values[has.to_numpy()])
    tally.n_items_outside = len(dataset.items) - len(items)
    links, queries = (None if table is None else of_kept(table) for table in (links, queries))
    return replace(dataset, items=items, item_entities=links, queries=queries, vectors=vectors)
