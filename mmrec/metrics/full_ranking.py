"""Full-catalogue ranking: score and rank all items for every evaluated user, in chunks of bounded memory."""

from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix, is_member
from mmrec.metrics.pooled import Pooled
from mmrec.metrics.ranking import all_metrics
from mmrec.types import USER_IDX, Scorer

_CACHE_BYTES, _CHUNK_BYTES, _LEAST_USERS = 2**20, 64 * 2**20, 64
"""Scores are computed for as many users at a time as fit into a core's cache, but at least 64, to amortise the pass over all items."""
LIST_LENGTH = 100
"""The length of the lists that a run stores."""
_GROUPS, _MANY = 4, 8
"""In `top_k`, as multiples of k: the number of item groups, and the number of candidates per row above which ties are subsampled out."""


class Ranking(NamedTuple):
    """The best `k` items of each user, best first; missing positions, after seen items were left out, have item_idx -1 and score -inf."""

    user_idx: Int64[Tensor, " n_users"]
    item_idx: Int64[Tensor, "n_users k"]
    scores: Float[Tensor, "n_users k"]


class Evaluated(NamedTuple):
    """The results of one model and seed on one evaluation set."""

    ranking: Ranking | None
    """None for tasks that do not rank."""
    per_user: pl.DataFrame
    """`user_idx` and one column per metric; null if a metric is undefined for a user."""
    pooled: Pooled | None = None
    """For tasks whose metrics are over all rows; these replace the means over users."""

    @property
    def lists(self) -> Ranking:
        """The ranking. Raises ValueError for tasks that do not rank."""
        if self.ranking is None:
            raise ValueError("this task does not rank: there are no lists to measure")
        return self.ranking


def rank_and_evaluate(scorer: Scorer, data: EvaluationSet, ks: list[int]) -> pl.DataFrame:
    """The metrics at each cutoff in `ks` for every user of an evaluation set; see `evaluate_ranking`."""
    return evaluate_ranking(rank_users(scorer, data.user_idx, data.seen, max(ks)), data.positives, ks)


@torch.no_grad()
def rank_users(scorer: Scorer, user_idx: Int64[Tensor, " n_users"], seen: InteractionMatrix, k: int) -> Ranking:
    """Rank the whole catalogue for each user without the user's `seen` items, breaking ties by item_idx.

    Scores for at most 64 MiB are computed at a time. Since item_idx is a random permutation of the catalogue (`Index`), a constant scorer
    ranks at chance. Items with a score of NaN or -inf are left out.
    """
    k = min(k, seen.n_items)
    chunk = max(1, min(_CHUNK_BYTES // (4 * seen.n_items), max(_LEAST_USERS, _CACHE_BYTES // (4 * seen.n_items))))
    parts = []
    for users in user_idx.split(chunk):
        scores = scorer.score_users(users).float()
        rows, items = seen.rows(users.to(seen.indices.device))
        scores[rows.to(scores.device), items.to(scores.device)] = -torch.inf
        parts.append([part.cpu() for part in top_k(scores, k)])
    if not parts:
        return Ranking(user_idx, torch.empty(0, k, dtype=torch.int64), torch.empty(0, k))
    scores, items = (torch.cat(column) for column in zip(*parts, strict=True))
    return Ranking(user_idx.cpu(), items.masked_fill(scores == -torch.inf, -1), scores)


def top_k(scores: Float[Tensor, "batch n_items"], k: int) -> tuple[Float[Tensor, "batch k"], Int64[Tensor, "batch k"]]:
    """The k highest scores of each row in descending order, ties by ascending index; NaN counts as -inf.

    The k-th highest of the maxima of item groups is a lower bound of the k-th highest score. The few scores above it are sorted as integers
    that encode row, score and index, so that, unlike in `torch.topk`, the order of ties is defined. `batch * n_items` must be below 2^31.
    """
    n, maxima = scores.shape[1], _group_maxima(scores, k)
    if maxima.isnan().any():
        scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        maxima = _group_maxima(scores, k)
    least = _kth_highest(maxima, k)
    place = _true(scores >= least)
    if len(place) > _MANY * k * len(scores):  # many ties, of which the first k suffice
        level = scores == least
        place = _true((scores > least) | (level & (level.cumsum(dim=1, dtype=torch.int32) <= k)))
    row, item = place // n, place % n
    bits = (scores.flatten().index_select(0, place) + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    rising = (bits ^ ((bits >> 31) & (2**31 - 1))).long()  # integers in the order of the floats
    keys = _sorted((row * 2**32 + (2**31 - 1 - rising)) * n + item)
    n_chosen = torch.bincount(row, minlength=len(scores))
    best = (n_chosen.cumsum(dim=0) - n_chosen)[:, None] + torch.arange(k, device=scores.device)
    items = keys[best] % n
    return scores.gather(1, items), items


def _group_maxima(scores: Float[Tensor, "batch n_items"], k: int) -> Float[Tensor, "batch n_groups"]:
    """The maxima of at least k groups of items, without a remainder smaller than the number of groups. NaN for groups that contain one."""
    size = max(1, scores.shape[1] // (_GROUPS * k))
    n_groups = scores.shape[1] // size
    grouped: Tensor = scores[:, : size * n_groups].unflatten(1, (size, n_groups))
    return grouped.amax(dim=1)


# On the CPU, NumPy has vectorised versions of these three, which torch lacks.
def _kth_highest(values: Float[Tensor, "batch n"], k: int) -> Float[Tensor, "batch 1"]:
    if values.is_cuda:
        return values.topk(k, dim=1).values[:, -1:]
    place = values.shape[1] - k
    return torch.from_numpy(np.partition(values.numpy(), place, axis=1)[:, place, None])


def _true(mask: Bool[Tensor, "batch n"]) -> Int64[Tensor, " n_true"]:
    return mask.flatten().nonzero()[:, 0] if mask.is_cuda else torch.from_numpy(np.flatnonzero(mask.numpy()))


def _sorted(keys: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    return keys.sort().values if keys.is_cuda else torch.from_numpy(np.sort(keys.numpy()))


def evaluate_ranking(ranking: Ranking, positives: InteractionMatrix, ks: list[int]) -> pl.DataFrame:
    """The metrics of each ranked user: `user_idx` and one Float64 column per metric. Every ranked user must have a positive."""
    columns = all_metrics(find_relevant(ranking, positives), positives.degree[ranking.user_idx], ks)
    return pl.DataFrame({USER_IDX: ranking.user_idx.numpy()} | {name: values.numpy() for name, values in columns.items()})


def ndcg_by_item(ranking: Ranking, positives: InteractionMatrix, k: int) -> Float64[Tensor, " n_items"]:
    """The contribution of each item to the sum of ndcg at `k` over the ranked users."""
    top = ranking.item_idx[:, :k]
    gains = find_relevant(ranking, positives)[:, :k].double() / torch.log2(torch.arange(2, top.shape[1] + 2, dtype=torch.float64))
    ideal = (1 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64))).cumsum(dim=0)[positives.degree[ranking.user_idx].clamp(max=k) - 1]
    added = torch.zeros(positives.n_items, dtype=torch.float64)
    return added.index_add_(0, top.clamp(min=0).flatten(), (gains / ideal[:, None]).flatten())


def evaluate_part(ranking: Ranking, positives: InteractionMatrix, ks: list[int]) -> pl.DataFrame:
    """`evaluate_ranking` for the ranked users who have any of these positives, for example those of a group of items."""
    having: Bool[Tensor, " n_users"] = positives.degree[ranking.user_idx] > 0
    return evaluate_ranking(Ranking(*(column[having] for column in ranking)), positives, ks)


def find_relevant(ranking: Ranking, positives: InteractionMatrix) -> Bool[Tensor, "n_users k"]:
    """Whether each ranked item is a positive of its user."""
    offset = (ranking.user_idx * positives.n_items)[:, None]
    return is_member(positives.keys(), offset + ranking.item_idx) & (ranking.item_idx >= 0)
