"""Item-item graphs: nearest neighbours by content, computed in chunks, and products with graphs whose weights are learned."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.nn.propagation import csr_matrix

_SIMILARITIES = 1 << 24  # the number in memory at a time


def nearest_items(vectors: Float[Tensor, "n dim"], k: int) -> Int64[Tensor, "n neighbours"]:
    """The `k` rows (or all, if there are fewer) with the highest cosine to each row, including itself, in ascending order.

    Ties are broken in favour of lower indices. Rows are processed in chunks, so memory is linear in n·k.
    """
    if k < 1:
        raise ValueError(f"n_neighbours: expected at least 1, found {k}")
    unit = F.normalize(vectors.float())
    chunks = unit.split(max(1, _SIMILARITIES // max(1, len(unit))))
    return torch.cat([_highest(chunk @ unit.T, min(k, len(unit))) for chunk in chunks])


def neighbour_edges(
    values: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"], k: int
) -> tuple[Int64[Tensor, " n_edges"], Int64[Tensor, " n_edges"]]:
    """The edges from each item to its `k` nearest among items with the feature, ordered by row, then column."""
    items = present.nonzero().flatten()
    near = nearest_items(values[items], k)
    return items.repeat_interleave(near.shape[1]), items[near.flatten()]


def edge_cosines(
    vectors: Float[Tensor, "n_items dim"], row: Int64[Tensor, " n_edges"], col: Int64[Tensor, " n_edges"]
) -> Float[Tensor, " n_edges"]:
    """The cosine of the two ends of each edge, with negative ones set to zero (Zhang et al. 2021, section 3.2)."""
    unit = F.normalize(vectors)
    return (F.embedding(row, unit) * F.embedding(col, unit)).sum(dim=1).clamp(min=0)


def normalized_weights(
    row: Int64[Tensor, " n_edges"], col: Int64[Tensor, " n_edges"], weight: Float[Tensor, " n_edges"], n_items: int
) -> Float[Tensor, " n_edges"]:
    """The entries of `D^-1/2 S D^-1/2` with `D_ii = Σ_j S_ij`, for edges with nonnegative weights `S_ij`; differentiable."""
    scale = weight.new_zeros(n_items).index_add(0, row, weight).clamp(min=1e-12).rsqrt()
    return weight * scale.index_select(0, row) * scale.index_select(0, col)


def cosine_graph(values: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"], k: int) -> Tensor:
    """The normalised graph of the `k` nearest items weighted by cosine, (n_items, n_items) in CSR; no edges without the feature."""
    row, col = neighbour_edges(values, present, k)
    weight = normalized_weights(row, col, edge_cosines(values, row, col), len(values))
    return csr_matrix(row, col, weight, (len(values), len(values)))


def binary_graph(values: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"], k: int) -> Tensor:
    """As `cosine_graph`, with weight 1 for each of the `k` nearest with a positive cosine."""
    row, col = neighbour_edges(values, present, k)
    positive = (edge_cosines(values, row, col) > 0).float()
    return csr_matrix(row, col, normalized_weights(row, col, positive, len(values)), (len(values), len(values)))


def mixed_graph(graphs: Sequence[Tensor], shares: Sequence[Float[Tensor, " n_items"]]) -> Tensor:
    """`Σ_m diag(share_m) S_m` of square CSR graphs."""
    n_edges = [graph.crow_indices().diff() for graph in graphs]
    row = torch.cat([torch.arange(len(n)).repeat_interleave(n) for n in n_edges])
    col = torch.cat([graph.col_indices() for graph in graphs])
    weight = torch.cat([graph.values() * share.repeat_interleave(n) for graph, share, n in zip(graphs, shares, n_edges, strict=True)])
    return csr_matrix(row, col, weight, (graphs[0].shape[0], graphs[0].shape[1]))


class LearnedGraph(nn.Module):
    """The graph of the nearest items according to vectors that are being learned.

    `rebuild` selects the edges, which are fixed until the next call; their weights follow the vectors, with gradients. The neighbours are
    part of the checkpoint, because they were selected at an earlier time of training.
    """

    present: Bool[Tensor, " n_items"]
    row: Int64[Tensor, " n_edges"]
    col: Int64[Tensor, " n_edges"]
    crow: Int64[Tensor, " n_items_plus_1"]
    crow_t: Int64[Tensor, " n_items_plus_1"]
    col_t: Int64[Tensor, " n_edges"]
    order_t: Int64[Tensor, " n_edges"]

    def __init__(self, present: Bool[Tensor, " n_items"], k: int) -> None:
        super().__init__()
        items = present.nonzero().flatten()
        self.n_items, self.k = len(present), min(k, len(items))
        self.register_buffer("present", present, persistent=False)
        self.register_buffer("row", items.repeat_interleave(self.k), persistent=False)
        self.register_buffer("col", self.row.clone())
        for name in ("crow", "crow_t", "col_t", "order_t"):
            self.register_buffer(name, torch.empty(0, dtype=torch.int64), persistent=False)
        self.register_load_state_dict_post_hook(lambda module, _: module._index())
        self._index()

    @torch.no_grad()
    def rebuild(self, vectors: Float[Tensor, "n_items dim"]) -> None:
        """Select the nearest items according to these vectors."""
        self.col.copy_(neighbour_edges(vectors, self.present, self.k)[1])
        self._index()

    def forward(self, vectors: Float[Tensor, "n_items dim"], x: Float[Tensor, "n_items width"]) -> Float[Tensor, "n_items width"]:
        """The product of the normalised graph, weighted by the cosines of the vectors, with x."""
        weight = normalized_weights(self.row, self.col, edge_cosines(vectors.float(), self.row, self.col), self.n_items)
        product: Tensor = WeightedPropagation.apply(self, weight, x.float())
        return product

    def matrix(self, weight: Float[Tensor, " n_edges"]) -> Tensor:
        """The graph with the given weights, in CSR."""
        return torch.sparse_csr_tensor(self.crow, self.col, weight, (self.n_items, self.n_items), check_invariants=False)

    def matrix_t(self, weight: Float[Tensor, " n_edges"]) -> Tensor:
        """The transpose of `matrix`."""
        return torch.sparse_csr_tensor(self.crow_t, self.col_t, weight[self.order_t], (self.n_items, self.n_items), check_invariants=False)

    def _index(self) -> None:
        """Compute the starts of rows, and the order of the transpose."""
        self.order_t = torch.argsort(self.col, stable=True)
        self.col_t = self.row[self.order_t]
        self.crow, self.crow_t = (_starts(ends, self.n_items) for ends in (self.row, self.col))


class WeightedPropagation(torch.autograd.Function):
    """graph @ x, with gradients also for the edge weights: `∂/∂w_ij = grad_i · x_j`."""

    @staticmethod
    def forward(ctx: Any, graph: LearnedGraph, weight: Tensor, x: Tensor) -> Tensor:
        ctx.graph, ctx.row, ctx.col = graph, graph.row, graph.col
        ctx.save_for_backward(weight, x)
        with torch.autocast(x.device.type, enabled=False):
            return graph.matrix(weight) @ x.contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor]:
        weight, x = ctx.saved_tensors
        grad = grad.contiguous()
        of_weight = (F.embedding(ctx.row, grad) * F.embedding(ctx.col, x)).sum(dim=1)
        return None, of_weight, ctx.graph.matrix_t(weight) @ grad


def _highest(scores: Float[Tensor, "chunk n"], k: int) -> Int64[Tensor, "chunk k"]:
    """The columns of the k highest scores of each row, ascending; ties are broken by index, which `topk` does not define."""
    kth = scores.topk(k, dim=1).values[:, -1:]
    above, tied = scores > kth, scores == kth
    kept = above | (tied & (tied.cumsum(dim=1) <= k - above.sum(dim=1, keepdim=True)))
    return kept.nonzero()[:, 1].view(len(scores), k)


def _starts(ends: Int64[Tensor, " n_edges"], n: int) -> Int64[Tensor, " rows"]:
    return F.pad(torch.bincount(ends, minlength=n).cumsum(dim=0), (1, 0))
