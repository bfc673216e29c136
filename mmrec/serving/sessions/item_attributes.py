"""The attributes of items that can be spoken of: values and numbers of columns, and neighbours in the knowledge graph."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmrec.evaluation.measure.quartiles import finite
from mmrec.types import ITEM_ID, Graph

MAX_VALUE_LENGTH, MAX_VALUES = 60, 20_000
_ROW, _VALUE = "row", "value"


class ItemAttributes(NamedTuple):
    """What items have, by column."""

    values: Mapping[str, Mapping[str, Int64[Tensor, " n"]]]
    """By column and value, the items that have it; the most frequent value first."""
    numbers: Mapping[str, Float64[Tensor, " n_items"]]
    """By column; NaN where there is none."""

    @classmethod
    def of_items(cls, items: pl.DataFrame, graph: Graph | None, separator: str) -> "ItemAttributes":
        """Read the columns of items and their relations.

        Columns of numbers and of dates, as years, are numbers. Columns of short texts, of lists and of truth values are values, if on
        average at least two items have each: others are titles and keys. Relations of the graph are values too: those of an
        item, and those of what it is related to.

        Args:
            items: `item_id` and any columns, in the order of the model.
            graph: the knowledge graph; None: there is none.
            separator: between several values in a text; empty: there is one.
        """
        values: dict[str, dict[str, Int64[Tensor, " n"]]] = {}
        numbers: dict[str, Float64[Tensor, " n_items"]] = {}
        for name in items.columns:
            if name == ITEM_ID:
                continue
            if (found := _numbers(items[name])) is not None:
                numbers[name] = torch.from_numpy(found.fill_null(float("nan")).to_numpy(writable=True))
            elif (pairs := _pairs(items[name], separator)) is not None:
                values[name] = _grouped(pairs)
        for name, pairs in _relations(graph) if graph is not None else ():
            if name not in values and _are_shared(pairs):
                values[name] = _grouped(pairs)
        return cls(values, numbers)


def _numbers(column: pl.Series) -> pl.Series | None:
    if column.dtype.is_numeric():
        return finite(column)
    if column.dtype in (pl.Date, pl.Datetime):
        return column.dt.year().cast(pl.Float64) + (column.dt.ordinal_day() - 1) / 366
    return None


def _pairs(column: pl.Series, separator: str) -> pl.DataFrame | None:
    """The table `row, value` of a column; None if its values are not for grouping."""
    frame = pl.DataFrame({_ROW: pl.Series(range(len(column)), dtype=pl.Int64), _VALUE: column})
    if isinstance(column.dtype, pl.List):
        frame = frame.explode(_VALUE)
    kind = frame[_VALUE].dtype
    if kind == pl.Boolean or kind.is_nested() or kind == pl.Binary:
        return None if kind != pl.Boolean else _shared(frame.with_columns(pl.col(_VALUE).cast(pl.String)))
    frame = frame.with_columns(pl.col(_VALUE).cast(pl.String))
    if separator and not isinstance(column.dtype, pl.List):
        frame = frame.with_columns(pl.col(_VALUE).str.split(separator)).explode(_VALUE)
    return _shared(frame.with_columns(pl.col(_VALUE).str.strip_chars()))


def _shared(frame: pl.DataFrame) -> pl.DataFrame | None:
    found = frame.filter(pl.col(_VALUE).str.len_chars() > 0).unique(maintain_order=True)
    if found.is_empty() or int(found[_VALUE].str.len_chars().max() or 0) > MAX_VALUE_LENGTH:  # type: ignore[arg-type]
        return None
    return found if _are_shared(found) else None


def _are_shared(pairs: pl.DataFrame) -> bool:
    """Whether values are for grouping: on average, at least two items have each."""
    return 0 < pairs[_VALUE].n_unique() <= min(MAX_VALUES, len(pairs) / 2)


def _grouped(pairs: pl.DataFrame) -> dict[str, Int64[Tensor, " n"]]:
    groups = pairs.group_by(_VALUE).agg(pl.col(_ROW).sort(), pl.len().alias("n")).sort("n", _VALUE, descending=[True, False])
    return {value: torch.tensor(rows, dtype=torch.int64) for value, rows in groups.select(_VALUE, _ROW).iter_rows()}


def _relations(graph: Graph) -> Iterator[tuple[str, pl.DataFrame]]:
    """By relation, the table `row, value` of the entities that items are related to, directly or through another entity."""
    head, tail = graph.edge_index.tolist()
    of_edges = dict.fromkeys(("head", "relation", "tail"), pl.Int64)
    edges = pl.DataFrame({"head": head, "relation": graph.edge_type.tolist(), "tail": tail}, schema=of_edges)
    of_items = dict.fromkeys((_ROW, "head"), pl.Int64)
    items = pl.DataFrame({_ROW: range(len(graph.item_entity)), "head": graph.item_entity.tolist()}, schema=of_items)
    first = items.filter(pl.col("head") >= 0).join(edges, on="head")
    second = first.select(_ROW, pl.col("tail").alias("head")).join(edges, on="head")
    names = pl.DataFrame({"tail": range(len(graph.entities)), _VALUE: list(graph.entities)}, schema={"tail": pl.Int64, _VALUE: pl.String})
    for found in (first, second):
        for (relation,), rows in found.sort("relation", _ROW).partition_by("relation", as_dict=True, maintain_order=True).items():
            pairs = rows.join(names, on="tail").select(_ROW, _VALUE).unique(maintain_order=True)
            if len(graph.relations):
                yield graph.relations[int(relation)], pairs
