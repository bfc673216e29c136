"""The items that are served: their ids, columns, and which of them were removed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final
from urllib.parse import quote

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.features.texts import item_texts
from mmrec.experiment.run.ids import mask_of
from mmrec.frames import TITLES
from mmrec.models.search.bm25 import WordIndex
from mmrec.serving.filters import Condition, fulfilled
from mmrec.types import ITEM_ID

_KEPT_MASKS = 64
"""The most recent filters whose results are kept."""


@final
@dataclass(frozen=True)
class Catalogue:
    """Items by item_idx."""

    items: pl.DataFrame
    """`item_id` and any columns."""
    removed: frozenset[str] = frozenset()
    """The items that are not listed."""
    has_image: Bool[Tensor, " n_items"] | None = None
    """Which items have a picture; None: none."""

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def item_ids(self) -> list[str]:
        """The ids in order."""
        return self.items[ITEM_ID].to_list()

    @cached_property
    def places(self) -> dict[str, int]:
        """By id, item_idx."""
        return {item_id: idx for idx, item_id in enumerate(self.item_ids)}

    @cached_property
    def titles(self) -> list[str | None]:
        """The title of each item: the first of the usual columns, else the first with text."""
        texts = [name for name, kind in self.items.schema.items() if kind == pl.String and name != ITEM_ID]
        found = next((name for name in texts if name.lower() in TITLES), texts[0] if texts else None)
        return [None] * len(self) if found is None else self.items[found].to_list()

    @cached_property
    def words(self) -> WordIndex:
        """The words of all columns of text."""
        columns = [name for name, kind in self.items.schema.items() if name != ITEM_ID and kind == pl.String]
        texts = item_texts(self.items, columns) if columns else [None] * len(self)
        return WordIndex([(text or b"").decode() for text in texts])

    def image(self, item_idx: int) -> str | None:
        """The path of an item's picture in the interface; None if it has none."""
        if self.has_image is None or not self._with_image[item_idx]:
            return None
        return f"/v1/items/{quote(self.item_ids[item_idx], safe='')}/image"

    def has(self, item_id: str) -> bool:
        """Whether an item is there and was not removed."""
        return item_id in self.places and item_id not in self.removed

    def idx(self, item_ids: Collection[str]) -> Int64[Tensor, " n"]:
        """The item_idx of those items that are there."""
        return torch.tensor([self.places[one] for one in item_ids if one in self.places], dtype=torch.int64)

    def allowed(self, conditions: Sequence[Condition], candidates: Collection[str] | None) -> Bool[Tensor, " n_items"] | None:
        """The items that may be listed; None for all.

        Raises:
            Refused: a condition cannot be evaluated.
        """
        masks = [self._mask(condition) for condition in conditions]
        if self.removed:
            masks.append(self._listed)
        if candidates is not None:
            masks.append(mask_of(self.idx(candidates), len(self)))
        return torch.stack(masks).all(dim=0) if masks else None

    def without(self, item_ids: Collection[str]) -> "Catalogue":
        """The same items of which only these are removed; their rows remain."""
        return replace(self, removed=frozenset(one for one in item_ids if one in self.places))

    def row(self, item_id: str) -> dict[str, Any]:
        """The columns of an item."""
        return self.items.row(self.places[item_id], named=True)

    @cached_property
    def _with_image(self) -> list[bool]:
        return [] if self.has_image is None else self.has_image.tolist()

    @cached_property
    def _listed(self) -> Bool[Tensor, " n_items"]:
        return ~mask_of(self.idx(self.removed), len(self))

    @cached_property
    def _masks(self) -> dict[str, Bool[Tensor, " n_items"]]:
        return {}

    def _mask(self, condition: Condition) -> Bool[Tensor, " n_items"]:
        key = repr(condition)  # True equals 1, but is another text
        found = self._masks.get(key)
        if found is None:
            found = torch.from_numpy(np.array(fulfilled(self.items, condition).to_numpy(), dtype=bool))
            if len(self._masks) >= _KEPT_MASKS:
                self._masks.clear()
            self._masks[key] = found
        return found
