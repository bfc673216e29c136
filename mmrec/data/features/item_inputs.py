"""The raw inputs of items in the form that their encoder takes, prepared when a model requests them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.types import FeatureEncoder


@dataclass(frozen=True)
class Ragged:
    """Integer rows of different lengths, concatenated."""

    values: Int64[Tensor, " n_values"]
    starts: Int64[Tensor, " n_rows_and_one"]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Self:
        """Concatenate rows."""
        lengths = torch.tensor([0, *map(len, rows)])
        return cls(torch.tensor([value for row in rows for value in row], dtype=torch.int64), lengths.cumsum(0))

    def __getitem__(self, row: int) -> Int64[Tensor, " length"]:
        start, end = self.starts[row : row + 2].tolist()
        return self.values[start:end]


@dataclass(frozen=True)
class _Inputs:
    encoder: FeatureEncoder
    raw: Sequence[bytes | None]
    """Raw bytes by item."""
    usable: Bool[Tensor, " n_items"]
    """Whether `raw` is usable, by item."""
    order: Int64[Tensor, " n_items"] | None = None
    """The item whose input each item has; None: its own."""

    @property
    def present(self) -> Bool[Tensor, " n_items"]:
        """Whether each item has a usable input."""
        return self.usable if self.order is None else self.usable[self.order]

    def reordered(self, order: Int64[Tensor, " n_items"]) -> Self:
        """Permute the inputs: each item gets the input of the item at its position in `order`."""
        return replace(self, order=order if self.order is None else self.order[order])

    def _rows(self, item_idx: Int64[Tensor, " n"]) -> list[int]:
        """The positions in `raw`. Raises ValueError for an item without a usable input."""
        items = item_idx.cpu()
        rows = items if self.order is None else self.order[items]
        if not (has := self.usable[rows]).all():
            raise ValueError(f"expected items with an input, item_idx {int(items[~has][0])} has none")
        return rows.tolist()

    def _prepared(self, row: int) -> Any:
        raw = self.raw[row]
        if raw is None:
            raise ValueError(f"expected the input of the item in row {row}, found none")
        return self.encoder.prepare(raw)


@dataclass(frozen=True)
class TextInputs(_Inputs):
    """The token ids of the items' texts. All are prepared at the first request and stay in memory."""

    @cached_property
    def table(self) -> Ragged:
        """The token ids by position in `raw`; empty for unusable texts."""
        return Ragged.of([self._prepared(row) if usable else () for row, usable in enumerate(self.usable.tolist())])

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[Int64[Tensor, " _length"]]:
        """The token ids of items. Raises ValueError for an item without text."""
        return [self.table[row] for row in self._rows(item_idx)]


@dataclass(frozen=True)
class PictureInputs(_Inputs):
    """The items' pictures, decoded and resized at every request and not kept in memory."""

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[Any]:
        """The prepared pictures of items. Raises ValueError for an item without one."""
        return [self._prepared(row) for row in self._rows(item_idx)]
