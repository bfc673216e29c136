"""Groups of items: by training degree, and by a column such as brand or genre, in which an item may have several values."""

from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError, nearest
from mmrec.evaluation.measure.quartiles import MAX_GROUPS, bin_quartiles, is_measured
from mmrec.evaluation.measure.slices import ITEM_DEGREE, degree_groups
from mmrec.kg.graph import column_values
from mmrec.types import ITEM_ID

OTHERS = "others"


class ItemGroups(NamedTuple):
    """At most 25 groups of items."""

    names: tuple[str, ...]
    shares: Float64[Tensor, "n_items n_groups"]
    """p(group | item); rows sum to 1, or are 0 if the groups of an item are unknown."""


def make_item_groups(
    train: InteractionMatrix, items: pl.DataFrame | None = None, index: Index | None = None, column: str | None = None, separator: str = ""
) -> dict[str, ItemGroups]:
    """Groups by training degree, and by a column of `items` if given: `item_degree`, `items.<column>`."""
    groups = {ITEM_DEGREE: by_mask(degree_groups(train.item_degree))}
    if column is not None and items is not None and index is not None:
        groups[f"items.{column}"] = by_column(items, column, separator, index, train.item_degree)
    return groups


def check_item_column(items: pl.DataFrame, column: str | None) -> None:
    """Raise ConfigError if `evaluation.item_column` is not a column of the items."""
    if column is not None and (column == ITEM_ID or column not in items.columns):
        raise ConfigError(
            f"evaluation.item_column: the items have no column `{column}` to group by; {nearest(column, set(items.columns) - {ITEM_ID})}"
        )


def by_mask(groups: dict[str, Bool[Tensor, " n_items"]]) -> ItemGroups:
    """Convert disjoint masks to groups, without empty ones."""
    found = {name: inside for name, inside in groups.items() if inside.any()}
    return ItemGroups(tuple(found), torch.stack(list(found.values()), dim=1).double())


def by_column(items: pl.DataFrame, column: str, separator: str, index: Index, item_degree: Int64[Tensor, " n_items"]) -> ItemGroups:
    """Groups by the values of a column; an item with n values belongs to each by 1 / n.

    Text is split at `separator`, and numbers are divided into quartiles. If there are more than 25 values, the 24 with most training
    interactions (`item_degree`) are kept and the others form the group `others`.
    """
    if is_measured(items[column]):
        items = items.with_columns(bin_quartiles(items[column]))
    values = column_values(items, column, separator).unique()
    item = index.item_idx(values[ITEM_ID])
    by_degree = values.with_columns(degree=pl.Series(item_degree[item].numpy())).group_by("value").agg(pl.col("degree").sum())
    ordered = by_degree.sort("degree", "value", descending=[True, False])["value"].to_list()
    n_kept = len(ordered) if len(ordered) <= MAX_GROUPS else MAX_GROUPS - 1
    names = tuple(ordered) if n_kept == len(ordered) else (*ordered[:n_kept], OTHERS)
    group_of = {name: min(place, n_kept) for place, name in enumerate(ordered)}
    group = torch.tensor([group_of[value] for value in values["value"]], dtype=torch.int64)
    counts = torch.zeros(index.n_items, len(names), dtype=torch.float64)
    counts.index_put_((item, group), torch.ones(len(item), dtype=torch.float64), accumulate=True)
    return ItemGroups(names, counts / counts.sum(dim=1, keepdim=True).clamp(min=1))
