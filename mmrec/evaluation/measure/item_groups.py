"""Items in groups: by how often training saw them, and by a column such as brand or genre, where an item may be in several at once."""

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
    """Groups of items, at most 25."""

    names: tuple[str, ...]
    shares: Float64[Tensor, "n_items n_groups"]
    """p(group | item), 1 in sum; all 0 where nothing is known of an item."""


def make_item_groups(
    train: InteractionMatrix, items: pl.DataFrame | None = None, index: Index | None = None, column: str | None = None, separator: str = ""
) -> dict[str, ItemGroups]:
    """By degree in the training part, and by a column of the `items` if one is named: `item_degree`, `items.<column>`."""
    groups = {ITEM_DEGREE: by_mask(degree_groups(train.item_degree))}
    if column is not None and items is not None and index is not None:
        groups[f"items.{column}"] = by_column(items, column, separator, index, train.item_degree)
    return groups


def check_item_column(items: pl.DataFrame, column: str | None) -> None:
    """Raises ConfigError where `evaluation.item_column` names no column of the items."""
    if column is not None and (column == ITEM_ID or column not in items.columns):
        raise ConfigError(
            f"evaluation.item_column: the items have no column `{column}` to group by; {nearest(column, set(items.columns) - {ITEM_ID})}"
        )


def by_mask(groups: dict[str, Bool[Tensor, " n_items"]]) -> ItemGroups:
    """Disjoint groups; those without an item are left out."""
    found = {name: inside for name, inside in groups.items() if inside.any()}
    return ItemGroups(tuple(found), torch.stack(list(found.values()), dim=1).double())


def by_column(items: pl.DataFrame, column: str, separator: str, index: Index, item_degree: Int64[Tensor, " n_items"]) -> ItemGroups:
    """By the values of a column, an item of n values belonging to each by 1 / n; text is split at `separator`, numbers go in quartiles.

    Of more than 25 values the 24 with the most training interactions (`item_degree`) stay, and the rest are `others`.
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
