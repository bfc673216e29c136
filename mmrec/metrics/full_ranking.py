"""Full-catalogue ranking: every item for every user with something held out, in chunks of bounded memory."""

from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix, is_member
from mmrec.metrics.ranking import all_metrics
from mmrec.types import USER_IDX, Scorer

_CACHE_BYTES, _CHUNK_BYTES, _LEAST_USERS = 2**20, 64 * 2**20, 64
"""Scores are made for as many users at a time as fit a core's cache, or for 64, as fewer waste the way through all items."""
LIST_LENGTH = 100
"""The length of the lists that a run keeps."""
_GROUPS, _MANY = 4, 8
"""In `top_k`, as multiples of k: groups of items whose maxima are compared, and candidates of a row from which on they are thinned."""


class Ranking(NamedTuple):
    """The best `k` items of each user, best first; where fewer are left after the seen ones, item_idx is -1 and the score -inf."""

    user_idx: Int64[Tensor, " n_users"]
    item_idx: Int64[Tensor, "n_users k"]
    scores: Float[Tensor, "n_users k"]


class Evaluated(NamedTuple):
    """One model, one seed, on one evaluation set."""

    ranking: Ranking | None
    """None from a task that does not rank."""
    per_user: pl.DataFrame
    """`user_idx` and one column a metric; null where a metric is undefined for a user."""

    @property
    def lists(self) -> Ranking:
        """The ranking of a task that ranks. Raises ValueError for another."""
        if self.ranking is None:
            raise ValueError("this task does not rank: there are no lists to measure")
        return self.ranking


def rank_and_evaluate(scorer: Scorer, data: EvaluationSet, ks: list[int]) -> pl.DataFrame:
    """The metrics at each of `ks` for every user of an evaluation set; see `evaluate_ranking`."""
    return evaluate_ranking(rank_users(scorer, data.user_idx, data.seen, max(ks)), data.positives, ks)


@torch.no_grad()
def rank_users(scorer: Scorer, user_idx: Int64[Tensor, " n_users"], seen: InteractionMatrix, k: int) -> Ranking:
    """Ranks the whole catalogue for each user, leaves out what the user has `seen`, and breaks ties by item_idx.

    Scores at a time take 64 MiB at most; an item_idx is a random permutation of the catalogue (`Index`), so a scorer
    that says nothing ranks at chance. An item with a score of NaN or -inf is left out.
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
    """The k best of each row, best first, equal scores by ascending index; NaN counts as -inf.

    The k-th highest of the maxima of groups of items is a score that k items reach. Those that do are few, and are sorted as whole numbers
    that hold row, score and index: nothing is left to chance among equals, as `torch.topk` does. `batch * n_items` is below 2^31.
    """
    n, maxima = scores.shape[1], _group_maxima(scores, k)
    if maxima.isnan().any():
        scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        maxima = _group_maxima(scores, k)
    least = _kth_highest(maxima, k)
    place = _true(scores >= least)
    if len(place) > _MANY * k * len(scores):  # rows of equals, of which the first k are enough
        level = scores == least
        place = _true((scores > least) | (level & (level.cumsum(dim=1, dtype=torch.int32) <= k)))
    row, item = place // n, place % n
    bits = (scores.flatten().index_select(0, place) + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    rising = (bits ^ ((bits >> 31) & (2**31 - 1))).long()  # floats in their order, as whole numbers
    keys = _sorted((row * 2**32 + (2**31 - 1 - rising)) * n + item)
    n_chosen = torch.bincount(row, minlength=len(scores))
    best = (n_chosen.cumsum(dim=0) - n_chosen)[:, None] + torch.arange(k, device=scores.device)
    items = keys[best] % n
    return scores.gather(1, items), items


def _group_maxima(scores: Float[Tensor, "batch n_items"], k: int) -> Float[Tensor, "batch n_groups"]:
    """The maxima of at least k groups of items; a remainder too small for all groups is in none. NaN where a group has one."""
    size = max(1, scores.shape[1] // (_GROUPS * k))
    n_groups = scores.shape[1] // size
    grouped: Tensor = scores[:, : size * n_groups].unflatten(1, (size, n_groups))
    return grouped.amax(dim=1)


# NumPy does these three on a CPU with vector instructions, which torch has not for them.
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
    """Metrics of each ranked user: `user_idx` and one Float64 column a metric. Every ranked user must have a positive."""
    columns = all_metrics(find_relevant(ranking, positives), positives.degree[ranking.user_idx], ks)
    return pl.DataFrame({USER_IDX: ranking.user_idx.numpy()} | {name: values.numpy() for name, values in columns.items()})


def ndcg_by_item(ranking: Ranking, positives: InteractionMatrix, k: int) -> Float64[Tensor, " n_items"]:
    """What each item adds to the sum of ndcg at `k` over the ranked users."""
    top = ranking.item_idx[:, :k]
    gains = find_relevant(ranking, positives)[:, :k].double() / torch.log2(torch.arange(2, top.shape[1] + 2, dtype=torch.float64))
    ideal = (1 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64))).cumsum(dim=0)[positives.degree[ranking.user_idx].clamp(max=k) - 1]
    added = torch.zeros(positives.n_items, dtype=torch.float64)
    return added.index_add_(0, top.clamp(min=0).flatten(), (gains / ideal[:, None]).flatten())


def evaluate_part(ranking: Ranking, positives: InteractionMatrix, ks: list[int]) -> pl.DataFrame:
    """`evaluate_ranking` of the ranked users who have one of these positives, such as those of some items, at all."""
    having: Bool[Tensor, " n_users"] = positives.degree[ranking.user_idx] > 0
    return evaluate_ranking(Ranking(*(column[having] for column in ranking)), positives, ks)


def find_relevant(ranking: Ranking, positives: InteractionMatrix) -> Bool[Tensor, "n_users k"]:
    """Which ranked items are positives of their user."""
    offset = (ranking.user_idx * positives.n_items)[:, None]
    return is_member(positives.keys(), offset + ranking.item_idx) & (ranking.item_idx >= 0)
