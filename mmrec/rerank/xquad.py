"""xQuAD (Santos, Macdonald & Ounis 2010): each item covers categories that the user likes and that the list does not cover yet."""

from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec.rerank.calibrated import look_up_categories
from mmrec.rerank.greedy import select
from mmrec.rerank.reranker import ItemContent, Pool, Reranker, check_share


def xquad(
    relevance: Float64[Tensor, "n_users m"],
    codes: Int64[Tensor, "n_users m width"],
    shares: Float64[Tensor, "n_users m width"],
    taste: Float64[Tensor, "n_users n_categories"],
    available: Bool[Tensor, "n_users m"],
    k: int,
    trade_off: float,
) -> Int64[Tensor, "n_users k"]:
    """Choose k candidates of each user, in each step by (1 - λ) relevance + λ Σ_c p(c | user) p(c | item) Π_chosen (1 - p(c | chosen)).

    Args:
        relevance: the relevance of each candidate.
        codes: the categories of each candidate.
        shares: p(category | item); 0 where there is no category.
        taste: p(category | user), rows of zeros if unknown.
        available: the candidates of each user.
        k: the length of the lists.
        trade_off: λ, the weight of coverage from 0 to 1.

    Returns:
        Positions of candidates in the order of choice; -1 once none is left.
    """
    return select(_Coverage(relevance, codes, shares, taste, trade_off), available, k)


class _Coverage:
    """The gain of `xquad`."""

    def __init__(
        self,
        relevance: Float64[Tensor, "n_users m"],
        codes: Int64[Tensor, "n_users m width"],
        shares: Float64[Tensor, "n_users m width"],
        taste: Float64[Tensor, "n_users n_categories"],
        trade_off: float,
    ) -> None:
        self.relevance, self.codes, self.shares, self.trade_off = (1 - trade_off) * relevance, codes, shares, trade_off
        self.wanted = taste.clone()
        """p(category | user) times the probability that no chosen item covers the category."""

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float64[Tensor, "n_users m"]:
        covered = look_up_categories(self.wanted, self.codes).mul_(self.shares).sum(dim=2)
        return self.relevance + self.trade_off * covered

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        rows = torch.arange(len(position), device=position.device)
        covered = torch.zeros_like(self.wanted).scatter_add_(1, self.codes[rows, position], self.shares[rows, position])
        self.wanted *= 1 - covered


@final
class XQuAD(Reranker):
    """xQuAD: the list covers the values of a column that the user's history has (Santos et al. 2010).

    Args:
        column: a column of the items, such as a genre or a brand.
        trade_off: the weight of coverage, from 0 (the list is unchanged) to 1.
        candidates: the number of best items of each user to choose from.
    """

    def __init__(self, column: str = "genre", trade_off: float = 0.5, candidates: int = 200) -> None:
        super().__init__(candidates)
        self.column, self.trade_off = column, check_share("trade_off", trade_off)

    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        known, items = content.categories(self.column), pool.item_idx.clamp(min=0)
        taste = known.taste(pool.history)
        return xquad(pool.relevance, known.codes[items], known.shares[items], taste, pool.available, k, self.trade_off)
