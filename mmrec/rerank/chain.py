"""Apply one or several reranking methods to the scores of users."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.full_ranking import top_k
from mmrec.rerank.reranker import ItemContent, Pool, Reranker

Reranking = Reranker | Sequence[Reranker]
"""One method, or several of which each takes the lists of the one before."""
_USERS = 8
"""The number of users at a time: their candidates' vectors stay in the cache of a processor."""


def rerank_scores(
    rerankers: Reranking, scores: Float[Tensor, "n_users n_items"], history: InteractionMatrix, content: ItemContent, k: int
) -> tuple[Float[Tensor, "n_users k"], Int64[Tensor, "n_users k"]]:
    """The k items of each user after reranking the best ones by score, and their scores.

    Args:
        rerankers: one method, or several. The candidates of the first are those of highest score; each further one takes as many items as
            it has `candidates` of the one before, in whose order their relevance falls linearly.
        scores: the scores of all items, -inf for those that are excluded.
        history: the items that each of these users had before.
        content: vectors and categories of the items.
        k: the length of the lists.

    Returns:
        Scores and items; the score is -inf in places that are left empty.
    """
    chain = [rerankers] if isinstance(rerankers, Reranker) else list(rerankers)
    size = max(k, chain[0].candidates) if chain else k
    values, items = top_k(scores, min(size, scores.shape[1]))
    items = items.masked_fill(values == -torch.inf, -1)
    chosen = rerank_lists(chain, items, values, history, content, k)
    return scores.gather(1, chosen.clamp(min=0)).masked_fill(chosen < 0, -torch.inf), chosen.clamp(min=0)


def rerank_lists(
    rerankers: Reranking,
    item_idx: Int64[Tensor, "n_users m"],
    scores: Float[Tensor, "n_users m"],
    history: InteractionMatrix,
    content: ItemContent,
    k: int,
) -> Int64[Tensor, "n_users k"]:
    """Rerank lists of items that are given best first, as `rerank_scores` does; -1 is an empty place.

    Args:
        rerankers: one method, or several.
        item_idx: the candidates of each user.
        scores: their scores.
        history: the items that each of these users had before.
        content: vectors and categories of the items.
        k: the length of the lists.
    """
    chain, parts = [rerankers] if isinstance(rerankers, Reranker) else list(rerankers), [item_idx[:0, :k]]
    for rows in torch.arange(len(item_idx)).split(_USERS):
        parts.append(_rerank_some(chain, item_idx[rows], scores[rows], rows_of_users(history, rows), content, k))
    return torch.cat(parts)


def _rerank_some(
    chain: Sequence[Reranker],
    item_idx: Int64[Tensor, "n_users m"],
    scores: Float[Tensor, "n_users m"],
    history: InteractionMatrix,
    content: ItemContent,
    k: int,
) -> Int64[Tensor, "n_users k"]:
    n = max(k, chain[0].candidates) if chain else k
    item_idx, relevance = item_idx[:, :n], to_unit_range(scores[:, :n], item_idx[:, :n])
    for place, reranker in enumerate(chain):
        wanted = max(k, chain[place + 1].candidates) if place + 1 < len(chain) else k
        n = max(k, reranker.candidates)
        pool = Pool(item_idx[:, :n], relevance[:, :n], history)
        position = reranker.order(pool, content, min(wanted, pool.item_idx.shape[1]))
        item_idx = pool.item_idx.gather(1, position.clamp(min=0)).masked_fill(position < 0, -1)
        relevance = torch.linspace(1, 0, item_idx.shape[1], dtype=torch.float64).expand(item_idx.shape)
    return item_idx[:, :k]


def to_unit_range(scores: Float[Tensor, "n_users m"], item_idx: Int64[Tensor, "n_users m"]) -> Float64[Tensor, "n_users m"]:
    """Scale the scores of each user's candidates linearly to [0, 1]; 0 for empty places, and 1 if all are equal."""
    there = item_idx >= 0
    low = scores.double().masked_fill(~there, torch.inf).amin(dim=1, keepdim=True)
    high = scores.double().masked_fill(~there, -torch.inf).amax(dim=1, keepdim=True)
    spread = (high - low).clamp(min=torch.finfo(torch.float64).tiny)
    scaled = torch.where(high > low, (scores.double() - low) / spread, 1.0)
    return scaled.masked_fill(~there, 0.0)


def rows_of_users(history: InteractionMatrix, rows: Int64[Tensor, " n"]) -> InteractionMatrix:
    """The matrix of some users, in their order."""
    user, item = history.rows(rows)
    return InteractionMatrix.from_pairs(user, item, len(rows), history.n_items)
