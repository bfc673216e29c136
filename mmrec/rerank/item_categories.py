"""The categories of items as short padded rows, so that methods look up only the few categories of each candidate."""

from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.quartiles import bin_quartiles, is_measured
from mmrec.types import ITEM_ID


class ItemCategories(NamedTuple):
    """The categories of each item, in rows as long as the longest one."""

    names: tuple[str, ...]
    codes: Int64[Tensor, "n_items width"]
    """Positions in `names`; 0 where `shares` is 0."""
    shares: Float64[Tensor, "n_items width"]
    """p(category | item): 1 / n for each of n categories; 0 in the rest of the row, and everywhere if the categories are unknown."""

    @classmethod
    def of_column(cls, items: pl.DataFrame, column: str, separator: str, index: Index) -> "ItemCategories":
        """The values of a column: elements of lists, or of text split at `separator`; numbers with many values by quartile.

        Args:
            items: the items in any order, with `item_id`.
            column: the name of the column.
            separator: separates several values in a text.
            index: the order of the items.
        """
        from mmrec.kg.graph import column_values  # imports networkx, which is slow

        if is_measured(items[column]):
            items = items.with_columns(bin_quartiles(items[column]))
        values = column_values(items, column, separator).unique().sort(ITEM_ID, "value")
        names = values["value"].unique().sort()
        code = {name: place for place, name in enumerate(names)}
        rows = index.item_idx(values[ITEM_ID])
        return cls.from_pairs(
            tuple(names), rows, torch.tensor([code[value] for value in values["value"]], dtype=torch.int64), index.n_items
        )

    @classmethod
    def from_pairs(
        cls, names: tuple[str, ...], item_idx: Int64[Tensor, " n"], category: Int64[Tensor, " n"], n_items: int
    ) -> "ItemCategories":
        """The categories of items from distinct pairs of an item and a category, in any order."""
        order = (item_idx * max(1, len(names)) + category).argsort()
        item_idx, category = item_idx[order], category[order]
        counts = torch.bincount(item_idx, minlength=n_items)
        place = torch.arange(len(item_idx)) - (counts.cumsum(0) - counts)[item_idx]
        width = max(1, int(counts.max()) if n_items else 1)
        codes, shares = torch.zeros(n_items, width, dtype=torch.int64), torch.zeros(n_items, width, dtype=torch.float64)
        codes[item_idx, place], shares[item_idx, place] = category, 1 / counts[item_idx].double()
        return cls(names, codes, shares)

    @property
    def n_categories(self) -> int:
        """The number of categories, at least 1."""
        return max(1, len(self.names))

    def taste(self, history: InteractionMatrix) -> Float64[Tensor, "n_users n_categories"]:
        """The distribution over categories of each user's items; rows of zeros for users without items of known categories."""
        user = torch.repeat_interleave(torch.arange(history.n_users), history.degree)
        flat = (user[:, None] * self.n_categories + self.codes[history.indices]).flatten()
        counts = torch.zeros(history.n_users * self.n_categories, dtype=torch.float64)
        counts.index_add_(0, flat, self.shares[history.indices].flatten())
        counts = counts.view(history.n_users, self.n_categories)
        return counts / counts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)

    def dense(self) -> Float64[Tensor, "n_items n_categories"]:
        """p(category | item) as a matrix, as `mmrec.metrics.beyond_accuracy.calibration` takes it."""
        shares = torch.zeros(len(self.codes), self.n_categories, dtype=torch.float64)
        return shares.scatter_add_(1, self.codes, self.shares)
