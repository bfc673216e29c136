"""An approximate index: a graph of near items (HNSW), through usearch."""

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.extras import needs
from mmrec.serving.index.item_index import ItemIndex

_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 32, 256, 512
"""Of usearch: neighbours an item, and candidates kept while items are added and searched. More: slower, higher recall."""
_GROWTH = 4
"""How many times more items are looked up where filters have left too few."""


@final
class UsearchIndex(ItemIndex):
    """Follows a graph of near items to those with the largest inner products, and may miss some of them.

    An inner product is made a distance: every item gets one more dimension, `√(M² - |i|²)` with M the largest length, in which queries are
    0, so that the nearest items by cosine have the largest products (Bachrach et al. 2014, "Speeding Up the Xbox Recommender System Using a
    Euclidean Transformation for Inner-Product Spaces"). Found items are scored exactly.

    Args:
        items: the vectors of the items.
        threads: that build the graph; 0 for all cores.
        expansion: candidates kept while searching.

    Raises:
        MissingExtra: where usearch is not installed.
    """

    def __init__(self, items: Float[Tensor, "n_items dim"], threads: int = 0, expansion: int = _EXPANSION_SEARCH) -> None:
        with needs("ann", "index=usearch", "choose index=exact"):
            from usearch.index import Index as Graph
        self._items = items.float().contiguous()
        squares = self._items.square().sum(dim=1)
        last = (squares.max() - squares).clamp(min=0).sqrt()
        self._graph: Any = Graph(
            ndim=items.shape[1] + 1,
            metric="cos",
            dtype="f32",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=expansion,
        )
        rows = torch.cat([self._items, last[:, None]], dim=1).numpy()
        self._graph.add(np.arange(len(rows)), rows, threads=threads, copy=True)

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
        query = torch.cat([vector.float(), vector.new_zeros(1)]).numpy()
        n_asked = k + len(excluded)
        while True:
            n_asked = min(n_asked, self.n_items)
            found = torch.from_numpy(self._graph.search(query, max(n_asked, 1)).keys.astype(np.int64))
            kept = found[~torch.isin(found, excluded)]
            kept = kept if allowed is None else kept[allowed[kept]]
            if len(kept) >= k or n_asked == self.n_items or (allowed is not None and int(allowed.sum()) <= n_asked // _GROWTH):
                break
            n_asked *= _GROWTH
        if len(kept) < k:  # few items are left, or pass the filter: these are compared one by one
            kept = torch.arange(self.n_items) if allowed is None else allowed.nonzero().flatten()
            kept = kept[~torch.isin(kept, excluded)]
        kept = kept.sort().values
        scores = self._items[kept] @ vector
        best = torch.sort(scores, descending=True, stable=True).indices[:k]
        return scores[best], kept[best]
