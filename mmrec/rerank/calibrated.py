"""Calibrated recommendations (Steck 2018): the categories of a list in the proportions of the user's history."""

from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec.rerank.greedy import select
from mmrec.rerank.reranker import ItemContent, Pool, Reranker, check_share

SMOOTHING = 0.01
"""α of Steck: the weight of the history's distribution in that of the list, which keeps the divergence finite."""


def calibrate(
    relevance: Float64[Tensor, "n_users m"],
    codes: Int64[Tensor, "n_users m width"],
    shares: Float64[Tensor, "n_users m width"],
    taste: Float64[Tensor, "n_users n_categories"],
    available: Bool[Tensor, "n_users m"],
    k: int,
    trade_off: float,
) -> Int64[Tensor, "n_users k"]:
    """Choose k candidates of each user, in each step the one with the largest (1 - λ) Σ relevance - λ KL(p ‖ (1 - α) q + α p) of the list.

    p is the distribution over categories of the user's history and q that of the list, see
    `mmrec.metrics.beyond_accuracy.calibration`. Items of unknown categories change neither; for users without p the list is unchanged.

    Args:
        relevance: the relevance of each candidate.
        codes: the categories of each candidate.
        shares: p(category | item); 0 where there is no category.
        taste: p(category | user), rows of zeros if unknown.
        available: the candidates of each user.
        k: the length of the lists.
        trade_off: λ, the weight of calibration from 0 to 1.

    Returns:
        Positions of candidates in the order of choice; -1 once none is left.
    """
    return select(_Calibration(relevance, codes, shares, taste, trade_off), available, k)


class _Calibration:
    """The gain of `calibrate`: the divergence changes only in the categories of the added item, and in the length of the list."""

    def __init__(
        self,
        relevance: Float64[Tensor, "n_users m"],
        codes: Int64[Tensor, "n_users m width"],
        shares: Float64[Tensor, "n_users m width"],
        taste: Float64[Tensor, "n_users n_categories"],
        trade_off: float,
    ) -> None:
        self.relevance, self.codes, self.shares, self.taste, self.trade_off = (1 - trade_off) * relevance, codes, shares, taste, trade_off
        self.theirs = look_up_categories(taste, codes) * (shares > 0)  # p of each category of each candidate
        self.listed = torch.zeros_like(taste)
        self.n_known = taste.new_zeros(len(taste))
        self.is_known = shares.sum(dim=2) > 0

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float64[Tensor, "n_users m"]:
        if self.trade_off == 0:
            return self.relevance.clone()
        weight = ((1 - SMOOTHING) / (self.n_known + 1))[:, None, None]
        before = (weight * look_up_categories(self.listed, self.codes)).add_(self.theirs, alpha=SMOOTHING)
        gained = torch.log1p((weight * self.shares).div_(before.clamp_(min=1e-300))).mul_(self.theirs).sum(dim=2)
        gained += torch.where(self.is_known, self._agreement(self.n_known + 1)[:, None], self._agreement(self.n_known)[:, None])
        return self.relevance + self.trade_off * gained

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        rows = torch.arange(len(position), device=position.device)
        self.listed.scatter_add_(1, self.codes[rows, position], self.shares[rows, position])
        self.n_known += self.is_known[rows, position]

    def _agreement(self, n_known: Float64[Tensor, " n_users"]) -> Float64[Tensor, " n_users"]:
        """Σ p log of the list's smoothed distribution if its categories were divided by this number of items."""
        smoothed = (1 - SMOOTHING) * self.listed / n_known.clamp(min=1)[:, None] + SMOOTHING * self.taste
        agreement: Tensor = torch.special.xlogy(self.taste, smoothed).sum(dim=1)
        return agreement


def look_up_categories(
    values: Float64[Tensor, "n_users n_categories"], codes: Int64[Tensor, "n_users m width"]
) -> Float64[Tensor, "n_users m width"]:
    """The value of each candidate's categories for its user."""
    return values.gather(1, codes.flatten(1)).view(codes.shape)


@final
class Calibrated(Reranker):
    """Calibration: a list has the values of a column in the proportions of the user's history (Steck 2018).

    Args:
        column: a column of the items, such as a genre or a brand.
        trade_off: the weight of calibration, from 0 (the list is unchanged) to 1.
        candidates: the number of best items of each user to choose from.
    """

    def __init__(self, column: str = "genre", trade_off: float = 0.5, candidates: int = 200) -> None:
        super().__init__(candidates)
        self.column, self.trade_off = column, check_share("trade_off", trade_off)

    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        known, items = content.categories(self.column), pool.item_idx.clamp(min=0)
        taste = known.taste(pool.history)
        return calibrate(pool.relevance, known.codes[items], known.shares[items], taste, pool.available, k, self.trade_off)
