"""The exact index: all inner products, and the largest of them."""

from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.serving.index.item_index import ItemIndex


@final
class ExactIndex(ItemIndex):
    """Multiplies a vector with those of all items.

    Args:
        items: the vectors of the items.
    """

    def __init__(self, items: Float[Tensor, "n_items dim"]) -> None:
        self._items = items.contiguous()

    @property
    def n_items(self) -> int:
        return len(self._items)

    def search(
        self,
        vector: Float[Tensor, " dim"],
        k: int,
        excluded: Int64[Tensor, " n"],
        allowed: Bool[Tensor, " n_items"] | None = None,
    ) -> tuple[Float[Tensor, " n_found"], Int64[Tensor, " n_found"]]:
        return best_of(vector[None] @ self._items.T, k, excluded, allowed)


def best_of(
    scores: Float[Tensor, "1 n_items"], k: int, excluded: Int64[Tensor, " n"], allowed: Bool[Tensor, " n_items"] | None = None
) -> tuple[Float[Tensor, " n_found"], Int64[Tensor, " n_found"]]:
    """The `k` best of given scores, which are changed, as `ItemIndex.search` returns them; items of score -inf or NaN are left out."""
    row = scores[0].numpy()
    row[excluded.numpy()] = -np.inf
    if allowed is not None:
        row[~allowed.numpy()] = -np.inf
    if len(row) and np.isnan(row.max()):
        row[np.isnan(row)] = -np.inf
    k = min(k, len(row))
    least = np.partition(row, len(row) - k)[len(row) - k] if k else np.inf
    above = np.flatnonzero(row > least)
    found = np.concatenate([above, np.flatnonzero(row == least)[: k - len(above)]]) if k else above
    found = found[row[found] > -np.inf]
    found = found[np.lexsort((found, -row[found]))]
    return torch.from_numpy(row[found]), torch.from_numpy(found)
