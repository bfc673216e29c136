"""Divide a dataset into time-ordered slices, each with the items, users and triples that come with it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from mmrec.errors import ConfigError, DataError
from mmrec.types import FILE_ROW, HEAD, ITEM_ID, SPLIT, TAIL, TIMESTAMP, USER_ID, Dataset

_PROBED = 0.05
"""The fraction of the first slice's interactions that are in no slice, and measure what is remembered of its users."""


class Slices(NamedTuple):
    """The slices of a dataset, oldest first."""

    parts: Sequence[Dataset]
    probes: pl.DataFrame
    """`user_id, item_id` of interactions of the first users that are in no slice."""

    def rows_of(self, number: int) -> pl.DataFrame:
        """Return `user_id, item_id` of a slice, counted from 1."""
        return self.parts[number - 1].interactions.select(USER_ID, ITEM_ID)

    def rows_until(self, number: int) -> pl.DataFrame:
        """Return `user_id, item_id` of the first slices."""
        return pl.concat([self.rows_of(one) for one in range(1, number + 1)])


def divide(dataset: Dataset, n_slices: int, seed: int) -> Slices:
    """Divide the interactions by time into slices of equally many rows.

    An item comes with the first slice that has an interaction with it, with its texts and the triples about its entity; items without
    interactions are left out.

    Raises:
        DataError: there are no timestamps.
        ConfigError: there are fewer than three slices, or hardly any rows for each.
    """
    rows = dataset.interactions.drop(SPLIT, FILE_ROW, strict=False)
    if TIMESTAMP not in rows.columns:
        raise DataError(
            f"{dataset.name}: a stream needs a column `{TIMESTAMP}`; name the one that holds the times with data.columns.{TIMESTAMP}=…"
        )
    if n_slices < 3 or len(rows) < 10 * n_slices:
        raise ConfigError(
            f"board.slices: expected at least 3, and ten interactions for each, found {n_slices} for {len(rows):,} interactions"
        )
    rows = rows.sort(TIMESTAMP, USER_ID, ITEM_ID)
    cuts = [len(rows) * one // n_slices for one in range(n_slices + 1)]
    tables = [rows[cuts[one] : cuts[one + 1]] for one in range(n_slices)]
    tables[0], probes = _without_probes(tables[0], seed)
    seen = pl.concat([table.select(ITEM_ID).unique().with_columns(pl.lit(at).alias("slice")) for at, table in enumerate(tables)])
    first = seen.group_by(ITEM_ID).agg(pl.col("slice").min())
    items = dataset.items.join(first, on=ITEM_ID, how="inner", maintain_order="left")
    return Slices([_slice(dataset, table, items, at) for at, table in enumerate(tables)], probes)


def _without_probes(rows: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows without a random part, and that part; a user or item keeps at least one row."""
    order = np.random.default_rng(seed).permutation(len(rows))[: round(_PROBED * len(rows))]
    is_probe = np.zeros(len(rows), dtype=bool)
    is_probe[order] = True
    kept, probes = rows.filter(~pl.Series(is_probe)), rows.filter(pl.Series(is_probe))
    probes = probes.filter(pl.col(USER_ID).is_in(kept[USER_ID].implode()) & pl.col(ITEM_ID).is_in(kept[ITEM_ID].implode()))
    return kept, probes.select(USER_ID, ITEM_ID)


def _slice(dataset: Dataset, rows: pl.DataFrame, items: pl.DataFrame, at: int) -> Dataset:
    new, known = items.filter(slice=at).drop("slice"), items.filter(pl.col("slice") <= at)[ITEM_ID]
    links = dataset.item_entities
    of_items = items if links is None else items.join(links, on=ITEM_ID, how="left")
    entities = of_items.filter(slice=at)[ITEM_ID if links is None else "entity"].drop_nulls()
    if links is not None:
        links = links.filter(pl.col(ITEM_ID).is_in(new[ITEM_ID].implode()))
    triples = dataset.triples
    if triples is not None:
        triples = triples.filter(pl.col(HEAD).is_in(entities.implode()) | pl.col(TAIL).is_in(entities.implode()))
    return replace(
        dataset,
        interactions=rows,
        items=new,
        triples=None if triples is None or triples.is_empty() else triples,
        item_entities=None if links is None or links.is_empty() else links,
        users=None if dataset.users is None else dataset.users.filter(pl.col(USER_ID).is_in(rows[USER_ID].implode())),
        queries=None,
        impressions=None,
        vectors={
            name: replace(
                one,
                item_ids=one.item_ids.filter(one.item_ids.is_in(known.implode())),
                values=one.values[one.item_ids.is_in(known.implode()).to_numpy()],
            )
            for name, one in dataset.vectors.items()
        },
    )
