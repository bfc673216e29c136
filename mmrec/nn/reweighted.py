"""Propagation over a graph with fixed edges and variable weights, such as attention that is recomputed once per epoch."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.nn.look_up import look_up
from mmrec.nn.propagation import assemble_csr, propagate


class ReweightedPropagation(nn.Module):
    """Multiplies by a square sparse matrix A with fixed positions, whose values are given at each call. Every edge needs a reverse edge.

    A and its transpose then have the same positions, and the transpose for the backward is a permutation of the values.
    """

    crow: Int64[Tensor, " n_nodes_plus_1"]
    col: Int64[Tensor, " n_places"]
    place_of_edge: Int64[Tensor, " n_edges"]
    place_back: Int64[Tensor, " n_places"]

    def __init__(self, row: Int64[Tensor, " n_edges"], col: Int64[Tensor, " n_edges"], n_nodes: int) -> None:
        super().__init__()
        places, place_of_edge = torch.unique(row * n_nodes + col, return_inverse=True)
        back = places % n_nodes * n_nodes + places // n_nodes
        if not torch.equal(back.sort().values, places):
            raise ValueError("row and col: expected an edge back for every edge")
        counts = torch.bincount(places // n_nodes, minlength=n_nodes)
        self.n_nodes = n_nodes
        self.register_buffer("crow", torch.cat([counts.new_zeros(1), counts.cumsum(0)]), persistent=False)
        self.register_buffer("col", places % n_nodes, persistent=False)
        self.register_buffer("place_of_edge", place_of_edge, persistent=False)
        self.register_buffer("place_back", torch.searchsorted(places, back), persistent=False)

    def values(self, weights: Float[Tensor, " n_edges"]) -> Float[Tensor, " n_places"]:
        """The values of A from the edge weights; weights between the same two nodes are summed."""
        return weights.new_zeros(len(self.col)).index_add(0, self.place_of_edge, weights)

    def forward(self, values: Float[Tensor, " n_places"], x: Float[Tensor, "n_nodes dim"]) -> Float[Tensor, "n_nodes dim"]:
        """A @ x; gradients flow to x only."""
        return propagate(self._matrix(values), self._matrix(values[self.place_back]), x)

    def _matrix(self, values: Tensor) -> Tensor:
        return assemble_csr(self.crow, self.col, values, (self.n_nodes, self.n_nodes))


def softmax_by_row(scores: Float[Tensor, " n"], row: Int64[Tensor, " n"], n_rows: int) -> Float[Tensor, " n"]:
    """The softmax over the scores of each row."""
    highest = scores.new_full((n_rows,), -torch.inf).scatter_reduce(0, row, scores, "amax")
    weights = (scores - look_up(highest[:, None], row)[:, 0]).exp()
    sums = weights.new_zeros(n_rows).index_add(0, row, weights)
    return weights / look_up(sums[:, None], row)[:, 0]
