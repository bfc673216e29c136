"""A cap per group: at most n items of a brand, or of any other value of a column."""

from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec.rerank.calibrated import look_up_categories
from mmrec.rerank.greedy import select
from mmrec.rerank.reranker import ItemContent, Pool, Reranker, check_count


def cap(
    relevance: Float64[Tensor, "n_users m"],
    codes: Int64[Tensor, "n_users m width"],
    has_category: Bool[Tensor, "n_users m width"],
    n_categories: int,
    available: Bool[Tensor, "n_users m"],
    k: int,
    at_most: int,
) -> Int64[Tensor, "n_users k"]:
    """Choose the k most relevant candidates of each user with at most `at_most` items of each category.

    An item of several categories counts in each; items of unknown categories are not limited.

    Args:
        relevance: the relevance of each candidate.
        codes: the categories of each candidate.
        has_category: whether an entry of `codes` is a category.
        n_categories: the number of categories.
        available: the candidates of each user.
        k: the length of the lists.
        at_most: the maximal number of items of a category.

    Returns:
        Positions of candidates in the order of choice; -1 once none is allowed.
    """
    return select(_Allowed(relevance, codes, has_category, n_categories, at_most), available, k)


class _Allowed:
    """The gain of `cap`."""

    def __init__(
        self,
        relevance: Float64[Tensor, "n_users m"],
        codes: Int64[Tensor, "n_users m width"],
        has_category: Bool[Tensor, "n_users m width"],
        n_categories: int,
        at_most: int,
    ) -> None:
        self.relevance, self.codes, self.has_category, self.at_most = relevance, codes, has_category, at_most
        self.counts = relevance.new_zeros(len(relevance), n_categories)

    def values(self, available: Bool[Tensor, "n_users m"]) -> Float64[Tensor, "n_users m"]:
        is_full = (look_up_categories(self.counts, self.codes) >= self.at_most) & self.has_category
        return self.relevance.masked_fill(is_full.any(dim=2), -torch.inf)

    def add(self, position: Int64[Tensor, " n_users"]) -> None:
        rows = torch.arange(len(position), device=position.device)
        self.counts.scatter_add_(1, self.codes[rows, position], self.has_category[rows, position].double())


@final
class Capped(Reranker):
    """A cap per group: the most relevant items, at most `at_most` for each value of a column.

    The cap always holds: a list is shorter than k if the candidates have too few values.

    Args:
        column: a column of the items, such as a brand.
        at_most: the maximal number of items of a value.
        candidates: the number of best items of each user to choose from.
    """

    def __init__(self, column: str = "brand", at_most: int = 2, candidates: int = 200) -> None:
        super().__init__(candidates)
        self.column, self.at_most = column, check_count("at_most", at_most)

    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        known, items = content.categories(self.column), pool.item_idx.clamp(min=0)
        has_category = known.shares[items] > 0
        return cap(pool.relevance, known.codes[items], has_category, known.n_categories, pool.available, k, self.at_most)
