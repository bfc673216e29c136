"""Maximal marginal relevance (Carbonell & Goldstein 1998): relevance minus the similarity to the most similar item chosen before."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.rerank.greedy import select
from mmrec.rerank.reranker import ItemContent, Pool, Reranker, check_share
from mmrec.rerank.similarity import FUSED


def mmr(
    relevance: Float[Tensor, "n_users m"],
    vectors: Float[Tensor, "n_users m dim"],
    available: Bool[Tensor, "n_users m"],
    k: int,
    trade_off: float,
) -> Int64[Tensor, "n_users k"]:
    """Choose k candidates of each user, in each step the one with the largest (1 - λ) relevance - λ max cosine to those chosen before.

    Args:
        relevance: the relevance of each candidate, on the scale of a cosine.
        vectors: the vectors of the candidates; their inner products are the similarities.
        available: the candidates of each user.
        k: the length of the lists.
        trade_off: λ, the weight of diversity from 0 to 1.

    Returns:
        Positions of candidates in the order of choice; -1 once none is left.
    """
    return select(_MarginalRelevance(relevance, vectors, trade_off), available, k)


class _MarginalRelevance:
    """The gain of `mmr`."""

    def __init__(self, relevance: Float[Tensor, "n_users m"], vectors: Float[Tensor, "n_users m dim"], trade_off: float) -> None:
        self.relevance, self.vectors, self.trade_off = (1 - trade_off) * relevance, vectors, trade_off
        self.nearest: Tensor | None = None
        """The largest similarity of each candidate to a chosen one."""

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float[Tensor, "n_users m"]:
        return self.relevance.clone() if self.nearest is None else self.relevance - self.trade_off * self.nearest

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        similarity = similarities(self.vectors, position).to(self.relevance.dtype)
        self.nearest = similarity if self.nearest is None else torch.maximum(self.nearest, similarity)


def similarities(vectors: Float[Tensor, "n_users m dim"], position: Int64[Tensor, " n_users"]) -> Float[Tensor, "n_users m"]:
    """The inner products of each user's candidates with the one at `position`."""
    rows = torch.arange(len(position), device=position.device)
    return torch.bmm(vectors, vectors[rows, position][:, :, None])[:, :, 0]


@final
class MMR(Reranker):
    """Maximal marginal relevance: each item is relevant, and unlike the most similar item before it (Carbonell & Goldstein 1998).

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
        return mmr(pool.relevance, vectors, pool.available, k, self.trade_off)
