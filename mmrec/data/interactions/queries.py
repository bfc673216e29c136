"""Search queries in the place of users: a row for each item that was clicked after a query."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl
import torch

from mmrec.data.interactions.split import Split, deduplicate
from mmrec.errors import DataError
from mmrec.types import (
    FILE_ROW,
    ITEM_ID,
    LABEL,
    PARTS,
    QUERY,
    SPLIT,
    TIMESTAMP,
    USER_ID,
    Dataset,
    FeatureEncoder,
    Interactions,
    Queries,
)

PERSON = "person"
"""The column of personal queries with the id of who asked."""


@dataclass(frozen=True)
class QueryEvidence:
    """What is known to answer queries, independent of the split."""

    queries: Queries
    """With the interactions of all people."""
    encoder: FeatureEncoder
    """The encoder of their texts."""
    rows: Interactions
    """All rows of queries, of all parts."""
    asked: pl.DataFrame | None = None
    """Of personal queries, those of `asked_by`."""
    people: pl.Series | None = None
    """The ids of people, as `queries` counts them."""

    def of_part(self, train: Interactions) -> Queries:
        """Return what a model may know that trains on some of the rows.

        Items that occur in queries, but in none of the training part, are new: interactions with them are left out. So are, of personal
        queries, those of a person with an item that is held out as what this person clicked.
        """
        n_items = len(self.queries.item_texts)
        asked, trained = (torch.bincount(rows.item_idx, minlength=n_items) > 0 for rows in (self.rows, train))
        is_new = asked & ~trained
        behavior, person = self.queries.behavior, self.queries.person
        kept = ~is_new[behavior.item_idx]
        if person is not None:
            is_held = ~torch.isin(self.rows.user_idx * n_items + self.rows.item_idx, train.user_idx * n_items + train.item_idx)
            held = (person[self.rows.user_idx] * n_items + self.rows.item_idx)[is_held]
            kept &= ~torch.isin(behavior.user_idx * n_items + behavior.item_idx, held)
        return replace(self.queries, behavior=behavior.take(kept.nonzero().flatten()))


def plain_queries(texts: pl.Series) -> pl.Series:
    """Return queries in lower case with single spaces, which is how equal queries are recognised."""
    return texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def queries_as_interactions(dataset: Dataset, personal: bool = False) -> Dataset:
    """Return the dataset with queries in the place of users: interactions are clicks after queries, and `users` describes the queries.

    Rows with label 0 are left out, and repeated pairs of query and item are reduced to the first. Further columns of the queries become
    columns of `users`.

    Args:
        dataset: with queries.
        personal: whether the same text asked by two people are two queries, see `asked_by`.

    Raises:
        DataError: the dataset has no queries, or they do not say who asked.
    """
    rows = _clicks(dataset, personal)
    others = [name for name in rows.columns if name not in (QUERY, ITEM_ID, USER_ID, TIMESTAMP, LABEL, SPLIT, PERSON)]
    clicks = rows.select(USER_ID, ITEM_ID, *(name for name in (TIMESTAMP, SPLIT) if name in rows.columns))
    clicks = clicks.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))
    by = [name for name in (USER_ID, ITEM_ID, SPLIT) if name in clicks.columns]
    kept, n_repeated = deduplicate(clicks, "first", by)
    notes = (f"{n_repeated:,} rows repeat a query with the same item; each counts once",) if n_repeated else ()
    users = rows.select(USER_ID, *others).unique(USER_ID, keep="first", maintain_order=True) if others else None
    return replace(dataset, interactions=kept, users=users, notes=dataset.notes + notes)


def asked_by(dataset: Dataset) -> pl.DataFrame:
    """Return the personal queries of a dataset: `user_id` as in `queries_as_interactions`, `query`, and `person`, null if unknown."""
    return _clicks(dataset, personal=True).select(USER_ID, QUERY, PERSON).unique(USER_ID, keep="first", maintain_order=True)


def split_by_text(split: Callable[[pl.DataFrame], Split], asked: pl.DataFrame, rows: pl.DataFrame) -> Split:
    """Split clicks after personal queries like those after their texts, so that a text is in the same part whoever asked it.

    Args:
        split: of clicks after texts.
        asked: the queries.
        rows: the clicks, with `user_id` as in `asked`.
    """
    texts = rows.join(asked.select(USER_ID, QUERY), on=USER_ID, how="left", maintain_order="left")
    once = texts.drop(USER_ID).rename({QUERY: USER_ID}).unique([USER_ID, ITEM_ID], keep="first", maintain_order=True)
    found = split(once.select(USER_ID, pl.exclude(USER_ID)))
    parts = {}
    for name in PARTS:
        keys = getattr(found, name).select(pl.col(USER_ID).alias(QUERY), ITEM_ID)
        parts[name] = texts.join(keys, on=[QUERY, ITEM_ID], how="semi").drop(QUERY, SPLIT, FILE_ROW, strict=False).sort(USER_ID, ITEM_ID)
    return Split(**parts, name=found.name, notes=found.notes)


def _clicks(dataset: Dataset, personal: bool) -> pl.DataFrame:
    """The clicked rows of queries, with the text in lower case as `query`, and what identifies the query as `user_id`."""
    if dataset.queries is None:
        raise DataError(
            f"{dataset.name}: task=search learns from queries, and the data have none; add a table queries.csv with the columns "
            f"{QUERY} and {ITEM_ID}, or name the file with data.tables.queries=…"
        )
    rows = dataset.queries.with_columns(plain_queries(dataset.queries[QUERY]))
    if LABEL in rows.columns:
        rows = rows.filter(pl.col(LABEL).fill_null(1) == 1)
    if rows.is_empty():
        raise DataError(f"{dataset.name}: expected queries with a clicked item, found none with label 1")
    if not personal:
        return rows.with_columns(pl.col(QUERY).alias(USER_ID))
    if USER_ID not in rows.columns:
        raise DataError(
            f"{dataset.name}: personal search needs a column `{USER_ID}` of the queries, which have "
            f"{', '.join(f'`{name}`' for name in rows.columns)}; name it with data.columns.queries.{USER_ID}=…, or leave personal false"
        )
    named = pl.when(pl.col(USER_ID).is_null()).then(pl.col(QUERY)).otherwise(pl.format("{} | {}", QUERY, USER_ID))
    return rows.with_columns(pl.col(USER_ID).alias(PERSON), named.alias(USER_ID))
