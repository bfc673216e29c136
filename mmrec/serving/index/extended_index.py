"""An index that was built once, with items that were added or changed since, which are compared one by one."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.serving.index.exact import best_of
from mmrec.serving.index.item_index import ItemIndex

_MOST_OTHERS = 0.1
"""The share of added and changed items beyond which an index has to be built again."""


@final
class ExtendedIndex(ItemIndex):
    """Searches an index for all items that are as they were, and multiplies the vectors of the others.

    Args:
        base: the index of the first items.
        items: the vectors of all items, of which those of the index come first.
        others: the items, ascending, whose vectors the index does not have.
    """

    def __init__(self, base: ItemIndex, items: Float[Tensor, "n_items dim"], others: Int64[Tensor, " n_others"]) -> None:
        self._base, self._items, self._others = base, items, others
        self._of_others = items[others]

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
        n = self._base.n_items
        left_out = torch.cat([excluded[excluded < n], self._others[self._others < n]]).unique()
        scores, items = self._base.search(vector, k, left_out, None if allowed is None else allowed[:n])
        more, at = best_of((self._of_others @ vector)[None], k, torch.isin(self._others, excluded).nonzero().flatten(), self._open(allowed))
        scores, items = torch.cat([scores, more]), torch.cat([items, self._others[at]])
        order = items.argsort()
        order = order[scores[order].argsort(descending=True, stable=True)][:k]
        return scores[order], items[order]

    def _open(self, allowed: Bool[Tensor, " n_items"] | None) -> Bool[Tensor, " n_others"] | None:
        return None if allowed is None else allowed[self._others]


def extend_index(base: ItemIndex, before: Float[Tensor, "n_before dim_before"], items: Float[Tensor, "n_items dim"]) -> ItemIndex | None:
    """Return an index of items of which most are as before; None if too many are not.

    Args:
        base: the index of the items before.
        before: their vectors.
        items: the vectors of all items now.
    """
    if before.shape[1] != items.shape[1]:
        return None
    differs = torch.ones(len(items), dtype=torch.bool)
    differs[: len(before)] = (items[: len(before)] != before).any(dim=1)
    others = differs.nonzero().flatten()
    return None if len(others) > _MOST_OTHERS * len(items) else ExtendedIndex(base, items, others)
