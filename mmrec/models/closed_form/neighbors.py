"""Nearest neighbours of rows by blocked sparse products, with memory linear in the interactions and in the kept neighbours."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array, vstack
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import sparse_rows

_BLOCK_TERMS = 2**23
"""The number of terms in a block of a product, an upper bound of its entries."""
Weigh = Callable[[csr_array, int], None]
"""Converts the products in the rows of a block to similarities, in place; called with the block and its first row."""


class NeighborhoodRecommender(HistoryBasedRecommender):
    """Scores are sums over the history of sparse item-item weights; row i holds the contributions of item i to others."""

    weights: Tensor
    columns: Tensor
    row_ends: Tensor

    def remember_weights(self, weights: csr_array) -> None:
        """Store the weights, `(n_items, n_items)`, as tensors."""
        parts = (weights.data.astype(np.float32), weights.indices.astype(np.int32), weights.indptr.astype(np.int64))
        self.remember(**dict(zip(("weights", "columns", "row_ends"), map(torch.from_numpy, parts), strict=True)))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        parts = tuple(part.numpy() for part in (self.weights, self.columns, self.row_ends))
        weights = csr_array(parts, shape=(owned.n_items, owned.n_items))
        return torch.from_numpy((sparse_rows(owned, user_idx) @ weights).toarray())


def nearest(left: csr_array, right: csr_array, n_neighbors: int, weigh: Weigh | None = None) -> csr_array:
    """The `n_neighbors` largest nonzero entries of each row of `left @ right`, after `weigh`.

    Time is linear in the number of terms, the sum over entries of `left` of the length of the matching row of `right`.
    """
    kept = []
    for start, stop in _blocks(left, right):
        block = left[start:stop] @ right
        if weigh is not None:
            weigh(block, start)
        kept.append(_largest(block, n_neighbors))
    return vstack(kept, format="csr") if kept else csr_array((left.shape[0], right.shape[1]), dtype=left.dtype)


def without_diagonal(block: csr_array, start: int) -> None:
    """Set the entries of a block of rows on the diagonal to 0; `start` is the row number of its first row."""
    rows = row_of_entries(block) + start
    block.data[block.indices == rows] = 0


def row_of_entries(matrix: csr_array) -> np.ndarray:
    """The row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _blocks(left: csr_array, right: csr_array) -> Iterator[tuple[int, int]]:
    """Consecutive rows of `left`, at least one, whose products have about `_BLOCK_TERMS` terms."""
    lengths = np.append(0, np.cumsum(np.diff(right.indptr)[left.indices], dtype=np.int64))[left.indptr]
    start = 0
    while start < left.shape[0]:
        stop = max(start + 1, int(np.searchsorted(lengths, lengths[start] + _BLOCK_TERMS, side="right")) - 1)
        yield start, stop
        start = stop


def _largest(block: csr_array, n: int) -> csr_array:
    """The n largest nonzero entries of each row."""
    for first, last in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        if last - first > n:
            row = block.data[first:last]
            row[np.argpartition(row, last - first - n)[: last - first - n]] = 0
    block.eliminate_zeros()
    return block
