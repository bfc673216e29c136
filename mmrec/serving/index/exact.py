"""The exact index: all inner products, and the largest of them."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.metrics.full_ranking import top_k
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
    scores[0, excluded] = -torch.inf
    if allowed is not None:
        scores.masked_fill_(~allowed, -torch.inf)
    k = min(k, scores.shape[1])
    values, items = (one[0] for one in top_k(scores, k)) if k else (scores[0, :0], excluded[:0])
    kept = values > -torch.inf
    return values[kept], items[kept]
