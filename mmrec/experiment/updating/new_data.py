"""Check the new data of an update against those of its run, and join both."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from mmrec.errors import DataError, nearest
from mmrec.experiment.updating.settings import HeldOutShares
from mmrec.types import FILE_ROW, ITEM_ID, SPLIT, TIMESTAMP, USER_ID, Dataset, ItemVectors

_TABLES = ("users", "triples", "item_entities", "queries")
_WHOLE, _DECIMAL = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?\d+[.,]\d+")
_KINDS = {"whole numbers": _WHOLE, "decimal numbers": _DECIMAL}


class JoinedData(NamedTuple):
    """The data of a run together with new ones."""

    dataset: Dataset
    """Its interactions have a column `split`: everything before the update, and the oldest of the new rows, are for training."""
    new_users: pl.Series
    """The users of the new training rows."""
    described: pl.Series
    """The items whose row is that of the new data."""
    grew: dict[str, int]
    """The numbers of rows, users, items and triples that are new."""


def join_data(before: Dataset, new: Dataset, shares: HeldOutShares, allow_older: bool, seed: int) -> JoinedData:
    """Join the data of a run and new data.

    Of items and users in both, the new row counts. New interactions are divided by time, or at random if they have no times.

    Args:
        before: the data of the run.
        new: the new data.
        shares: the fractions of new rows that are held out.
        allow_older: whether new rows may be older than the newest row of the run.
        seed: of the division of rows without times.

    Raises:
        DataError: the new data have other columns or another kind of ids, or are older without `allow_older`.
    """
    check_columns_alike(before, new)
    check_kinds(before, new)
    if TIMESTAMP in new.interactions.columns and not allow_older:
        check_newer(before.interactions[TIMESTAMP], new.interactions[TIMESTAMP])
    old_rows = _bare(before.interactions).with_columns(pl.lit("train").alias(SPLIT))
    new_rows = mark_parts(_bare(new.interactions), shares, seed)
    interactions = _stacked(old_rows, new_rows.select(old_rows.columns))
    described = _described(new.items, before.items)
    items = _latest(before.items, described, ITEM_ID)
    joined = replace(
        before,
        interactions=interactions,
        items=items,
        users=None if before.users is None else _latest(before.users, new.users, USER_ID),
        triples=_union(before.triples, new.triples),
        item_entities=_union(before.item_entities, new.item_entities),
        vectors={name: _joined_vectors(one, new.vectors.get(name)) for name, one in before.vectors.items()},
        impressions=None,
    )
    grew = {
        "interactions": len(new_rows),
        "users": joined.interactions[USER_ID].n_unique() - before.interactions[USER_ID].n_unique(),
        "items": len(joined.items) - len(before.items),
        "triples": 0 if joined.triples is None or before.triples is None else len(joined.triples) - len(before.triples.unique()),
    }
    return JoinedData(joined, new_rows.filter(pl.col(SPLIT) == "train")[USER_ID].unique().sort(), described[ITEM_ID], grew)


def check_columns_alike(before: Dataset, new: Dataset) -> None:
    """Raise DataError for a table of the new data that the run does not have, or that has other columns or types."""
    _check_table("interactions", _bare(before.interactions), _bare(new.interactions))
    if len(new.items.columns) > 1:
        _check_table("items", before.items, new.items, [raw.image_column for raw in before.inputs.values() if raw.image_column is not None])
    for name in _TABLES:
        old_table, table = getattr(before, name), getattr(new, name)
        if table is not None and old_table is None:
            raise DataError(f"{new.root}: {name}: the data of the run have no such table; leave it out, or train again")
        if table is not None:
            _check_table(name, old_table, table)
    if other := [name for name in new.vectors if name not in before.vectors]:
        raise DataError(f"{new.root}: features.{other[0]}: the data of the run have no such vectors; {nearest(other[0], before.vectors)}")
    for name, vectors in new.vectors.items():
        if (dim := before.vectors[name].values.shape[1]) != vectors.values.shape[1]:
            raise DataError(f"{new.root}: features.{name}: expected vectors of {dim} numbers, found {vectors.values.shape[1]}")


def _check_table(name: str, before: pl.DataFrame, new: pl.DataFrame, may_lack: Sequence[str] = ()) -> None:
    for column in new.columns:
        if column not in before.columns:
            raise DataError(f"{name}: the data of the run have no column `{column}`, the new data have; {nearest(column, before.columns)}")
    for column, kind in before.schema.items():
        if column in may_lack and column not in new.columns:
            continue
        if column not in new.columns:
            raise DataError(f"{name}: the data of the run have a column `{column}`, the new data lack it; {nearest(column, new.columns)}")
        found = new.schema[column]
        is_known = pl.Null not in (kind, found) and new[column].null_count() < len(new) and before[column].null_count() < len(before)
        if is_known and kind not in (found, pl.String) and not (kind.is_numeric() and found.is_numeric()):
            raise DataError(f"{name}: `{column}`: expected {kind} as in the data of the run, found {found}")


def check_kinds(before: Dataset, new: Dataset) -> None:
    """Raise DataError if all ids of the run are numbers and new ones are not, or the other way round."""
    for key, old_ids, new_ids in (
        (USER_ID, before.interactions[USER_ID], new.interactions[USER_ID]),
        (ITEM_ID, before.items[ITEM_ID], new.items[ITEM_ID]),
    ):
        old, found = kind_of(old_ids), kind_of(new_ids)
        if old != found and (old != "texts" or not _has_kind(old_ids, found)):
            other = next(one for one in new_ids.unique(maintain_order=True) if old == "texts" or not _KINDS[old].fullmatch(one))
            raise DataError(f"{new.root}: {key}: the ids of the run are {old}, such as `{old_ids[0]}`; found `{other}`")


def kind_of(ids: pl.Series) -> str:
    """Return what all ids are: `whole numbers`, `decimal numbers`, or else `texts`."""
    return next((kind for kind in _KINDS if ids.len() and _is_kind(ids, kind).all()), "texts")


def _has_kind(ids: pl.Series, kind: str) -> bool:
    return bool(_is_kind(ids, kind).any())


def _is_kind(ids: pl.Series, kind: str) -> pl.Series:
    return ids.str.contains(f"^(?:{_KINDS[kind].pattern})$")


def check_newer(before: pl.Series, new: pl.Series) -> None:
    """Raise DataError if new rows are older than the newest row before."""
    newest = cast("int", before.max())
    n_older = int((new < newest).sum())
    if n_older:
        times = [f"{datetime.fromtimestamp(one, UTC):%Y-%m-%d %H:%M:%S}" for one in (newest, cast("int", new.min()))]
        raise DataError(
            f"{TIMESTAMP}: the newest interaction of the run is of {times[0]}, and {n_older:,} of {len(new):,} new ones are older, the "
            f"first is of {times[1]} (UTC); with allow_older=true they are added nevertheless"
        )


def mark_parts(rows: pl.DataFrame, shares: HeldOutShares, seed: int) -> pl.DataFrame:
    """Add the column `split`: the newest rows are for test, those before for validation, and the others for training.

    Raises:
        DataError: there are too few rows for three parts.
    """
    n = len(rows)
    n_test, n_valid = max(1, round(n * shares.test_ratio)), max(1, round(n * shares.valid_ratio))
    if n_test + n_valid >= n:
        raise DataError(f"interactions: expected enough new rows to train, validate and test on, found {n}")
    if TIMESTAMP in rows.columns:
        order = rows.select(pl.arg_sort_by(TIMESTAMP, USER_ID, ITEM_ID, maintain_order=True)).to_series().to_numpy()
    else:
        order = np.random.default_rng(seed).permutation(n)
    parts = np.full(n, 0)
    parts[order[n - n_test - n_valid : n - n_test]], parts[order[n - n_test :]] = 1, 2
    return rows.with_columns(pl.Series(SPLIT, np.array(["train", "valid", "test"])[parts], dtype=pl.String))


def _bare(rows: pl.DataFrame) -> pl.DataFrame:
    """The interactions without what says in which part they are."""
    return rows.drop(SPLIT, FILE_ROW, strict=False)


def _described(new: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The new items, without rows of known ones about which nothing is said."""
    columns = [name for name in new.columns if name != ITEM_ID]
    is_empty = pl.all_horizontal(pl.col(name).is_null() for name in columns) if columns else pl.lit(True)
    return new.filter(~(is_empty & pl.col(ITEM_ID).is_in(before[ITEM_ID].implode())))


def _stacked(before: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The rows of both tables: columns that were text before are text, and numbers get the type that holds both."""
    texts = [pl.col(name).cast(pl.String) for name, kind in before.schema.items() if kind == pl.String]
    return pl.concat([before, new.with_columns(texts)], how="vertical_relaxed")


def _latest(before: pl.DataFrame, new: pl.DataFrame | None, key: str) -> pl.DataFrame:
    """The rows of both tables; of those with the same key, the new one."""
    if new is None:
        return before
    kept = before.join(new.select(key), on=key, how="anti", maintain_order="left")
    aligned = new.with_columns(pl.lit(None).alias(name) for name in before.columns if name not in new.columns).select(before.columns)
    return _stacked(kept, aligned)


def _union(before: pl.DataFrame | None, new: pl.DataFrame | None) -> pl.DataFrame | None:
    if before is None or new is None:
        return before
    return _stacked(before, new.select(before.columns)).unique(maintain_order=True)


def _joined_vectors(before: ItemVectors, new: ItemVectors | None) -> ItemVectors:
    if new is None:
        return before
    kept = ~before.item_ids.is_in(new.item_ids.implode())
    values = np.concatenate([before.values[kept.to_numpy()], new.values])
    return replace(before, item_ids=pl.concat([before.item_ids.filter(kept), new.item_ids]), values=values)
