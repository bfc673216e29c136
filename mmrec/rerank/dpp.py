"""Greedy inference in a determinantal point process by incremental Cholesky factorisation (Chen, Zhang & Zhou 2018, Algorithm 1)."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.rerank.greedy import select
from mmrec.rerank.mmr import similarities
from mmrec.rerank.reranker import ItemContent, Pool, Reranker, check_share
from mmrec.rerank.similarity import FUSED

_DEPENDENT = {torch.float32: 1e-5, torch.float64: 1e-10}
"""The share of an item's squared norm below which what is left of it beside the chosen items counts as a rounding error."""
_AFTER_ALL = 1e6
"""More than any difference of gains."""


def dpp(
    relevance: Float[Tensor, "n_users m"],
    vectors: Float[Tensor, "n_users m dim"],
    available: Bool[Tensor, "n_users m"],
    k: int,
    trade_off: float,
) -> Int64[Tensor, "n_users k"]:
    """Choose k candidates of each user, in each step the one that raises (1 - λ) Σ relevance + λ log det S of the list most.

    S holds the similarities of unit vectors. This is the greedy maximum of the determinant of the kernel diag(q) S diag(q) with
    q = exp((1 - λ) relevance / 2λ), without computing it. A candidate whose vector depends linearly on the chosen ones would make the
    determinant 0: such candidates come last, by relevance, so that lists are full also if the rank of S is below k.

    Args:
        relevance: the relevance of each candidate.
        vectors: vectors of at most unit length; their inner products are the similarities, that of each candidate with itself is 1.
        available: the candidates of each user.
        k: the length of the lists.
        trade_off: λ, the weight of diversity from 0 to 1.

    Returns:
        Positions of candidates in the order of choice; -1 once none is left.
    """
    return select(_LogDeterminant(relevance, vectors, k, trade_off), available, k)


class _LogDeterminant:
    """The gain of `dpp`: the rows of the Cholesky factor of S over the chosen items, and the conditional variance of each candidate."""

    def __init__(self, relevance: Float[Tensor, "n_users m"], vectors: Float[Tensor, "n_users m dim"], k: int, trade_off: float) -> None:
        self.relevance, self.vectors, self.trade_off = relevance, vectors, trade_off
        self.variance = torch.ones_like(vectors[:, :, 0])
        self.factor = vectors.new_zeros(len(vectors), min(k, vectors.shape[1]), vectors.shape[1])
        self.n_chosen, self.floor = 0, _DEPENDENT[vectors.dtype]

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float[Tensor, "n_users m"]:
        if self.trade_off == 0:
            return self.relevance.clone()
        gain = (1 - self.trade_off) * self.relevance + self.trade_off * self.variance.clamp(min=self.floor).log()
        return torch.where(self.variance > self.floor, gain, self.relevance - _AFTER_ALL)

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        if self.trade_off == 0:
            return
        rows, before = torch.arange(len(position), device=position.device), self.factor[:, : self.n_chosen]
        deviation = self.variance[rows, position].clamp(min=self.floor).sqrt()[:, None]
        known = torch.bmm(before[rows, :, position][:, None, :], before)[:, 0] if self.n_chosen else 0.0
        row = (similarities(self.vectors, position) - known) / deviation
        row[self.variance[rows, position] <= self.floor] = 0.0  # it adds no direction
        self.factor[:, self.n_chosen] = row
        self.variance = self.variance - row.square()
        self.n_chosen += 1


@final
class DPP(Reranker):
    """A determinantal point process: the items of a list are relevant, and their vectors span a large volume (Chen et al. 2018).

    Args:
        trade_off: the weight of diversity, from 0 (the list is unchanged) to 1.
        candidates: the number of best items of each user to choose from.
        similarity: `text`, `image`, `kg` or any other modality of the items, or `fused`: the correlation of their scores over users.
    """

    def __init__(self, trade_off: float = 0.3, candidates: int = 200, similarity: str = FUSED) -> None:
        super().__init__(candidates)
        self.trade_off, self.similarity = check_share("trade_off", trade_off), similarity

    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        vectors = content.vectors(self.similarity)[pool.item_idx.clamp(min=0)]
        return dpp(pool.relevance, vectors, pool.available, k, self.trade_off)
