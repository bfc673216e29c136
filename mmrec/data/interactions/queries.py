"""Search queries in the place of users: a row for each item that was clicked after a query."""

from dataclasses import dataclass, replace

import polars as pl
import torch

from mmrec.data.interactions.split import deduplicate
from mmrec.errors import DataError
from mmrec.types import FILE_ROW, ITEM_ID, LABEL, QUERY, SPLIT, TIMESTAMP, USER_ID, Dataset, FeatureEncoder, Interactions, Queries


@dataclass(frozen=True)
class QueryEvidence:
    """What is known to answer queries, independent of the split."""

    queries: Queries
    """With the interactions of all people."""
    encoder: FeatureEncoder
    """The encoder of their texts."""
    rows: Interactions
    """All rows of queries, of all parts."""

    def of_part(self, train: Interactions) -> Queries:
        """Return what a model may know that trains on some of the rows.

        Items that occur in queries, but in none of the training part, are new: interactions with them are left out.
        """
        n_items = len(self.queries.item_texts)
        asked, trained = (torch.bincount(rows.item_idx, minlength=n_items) > 0 for rows in (self.rows, train))
        is_new = asked & ~trained
        behavior = self.queries.behavior
        return replace(self.queries, behavior=behavior.take((~is_new[behavior.item_idx]).nonzero().flatten()))


def plain_queries(texts: pl.Series) -> pl.Series:
    """Return queries in lower case with single spaces, which is how equal queries are recognised."""
    return texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def queries_as_interactions(dataset: Dataset) -> Dataset:
    """Return the dataset with queries in the place of users: interactions are clicks after queries, and `users` describes the queries.

    Rows with label 0 are left out, and repeated pairs of query and item are reduced to the first. Further columns of the queries become
    columns of `users`.

    Raises:
        DataError: the dataset has no queries.
    """
    if dataset.queries is None:
        raise DataError(
            f"{dataset.name}: task=search learns from queries, and the data have none; add a table queries.csv with the columns "
            f"{QUERY} and {ITEM_ID}, or name the file with data.tables.queries=…"
        )
    rows = dataset.queries.with_columns(plain_queries(dataset.queries[QUERY]).alias(USER_ID))
    if LABEL in rows.columns:
        rows = rows.filter(pl.col(LABEL).fill_null(1) == 1)
    if rows.is_empty():
        raise DataError(f"{dataset.name}: expected queries with a clicked item, found none with label 1")
    others = [name for name in rows.columns if name not in (QUERY, ITEM_ID, USER_ID, TIMESTAMP, LABEL, SPLIT)]
    clicks = rows.select(USER_ID, ITEM_ID, *(name for name in (TIMESTAMP, SPLIT) if name in rows.columns))
    clicks = clicks.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))
    by = [name for name in (USER_ID, ITEM_ID, SPLIT) if name in clicks.columns]
    kept, n_repeated = deduplicate(clicks, "first", by)
    notes = (f"{n_repeated:,} rows repeat a query with the same item; each counts once",) if n_repeated else ()
    users = rows.select(USER_ID, *others).unique(USER_ID, keep="first", maintain_order=True) if others else None
    return replace(dataset, interactions=kept, users=users, notes=dataset.notes + notes)
