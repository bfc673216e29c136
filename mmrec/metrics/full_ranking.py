"""Full-catalogue ranking: every item for every user with something held out, in chunks of bounded memory."""

from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.csr import InteractionMatrix, is_member
from mmrec.data.sample import EvaluationSet
from mmrec.metrics.ranking import all_metrics
from mmrec.types import USER_IDX, Scorer

_CHUNK_BYTES = 64 * 2**20
_SMALLEST_GROUP = 4
"""Of scores, of which the highest is found before they are ranked: below it the detour does not pay."""


class Ranking(NamedTuple):
    """The best `k` items of each user, best first; where fewer are left after the seen ones, item_idx is -1 and the score -inf."""

    user_idx: Int64[Tensor, " n_users"]
    item_idx: Int64[Tensor, "n_users k"]
    scores: Float[Tensor, "n_users k"]


def rank_and_evaluate(scorer: Scorer, data: EvaluationSet, ks: list[int]) -> pl.DataFrame:
    """The metrics at each of `ks` for every user of an evaluation set; see `evaluate_ranking`."""
    return evaluate_ranking(rank_users(scorer, data.user_idx, data.seen, max(ks)), data.positives, ks)


@torch.no_grad()
def rank_users(scorer: Scorer, user_idx: Int64[Tensor, " n_users"], seen: InteractionMatrix, k: int) -> Ranking:
    """Ranks the whole catalogue for each user, leaves out what the user has `seen`, and breaks ties by item_idx.

    Scores are made for as many users at a time as fit 64 MiB; an item_idx is a random permutation of the catalogue (`Index`), so a scorer
    that says nothing ranks at chance. An item with a score of NaN or -inf is left out.
    """
    k = min(k, seen.n_items)
    chunk = max(1, _CHUNK_BYTES // (4 * seen.n_items))
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
    """The k best of each row, best first, equal scores by ascending index: `torch.topk`, which orders equals as it likes, made exact.

    NaN counts as -inf. One pass over the scores, and a second one over the rows that have equals across the boundary, or a NaN.
    """
    n = scores.shape[1]
    values, items = _best(scores, min(k + 1, n))
    if (broken := values[:, 0].isnan()).any():  # topk puts NaN first
        values[broken], items[broken] = scores[broken].nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).topk(values.shape[1])
    crossed = (values[:, k - 1] == values[:, -1]) & (k < n)
    boundary, values, items = values[:, -1:], values[:, :k].clone(), items[:, :k].clone()
    if crossed.any():  # of the equals of the last score some were left out: the first ones by index stay
        last, place = boundary[crossed], torch.arange(n, device=scores.device)
        own = scores[crossed]
        equals = -torch.where((own == last) | (own.isnan() & (last == -torch.inf)), -place, -n).topk(k, dim=1).values
        above = (values[crossed] > last).sum(dim=1, keepdim=True)
        items[crossed] = torch.where(place[:k] < above, items[crossed], equals.gather(1, (place[:k] - above).clamp(min=0)))
    level = (values[:, 1:] == values[:, :-1]).any(dim=1)
    if level.any():
        by_item = items[level].argsort(dim=1)
        order = by_item.gather(1, values[level].gather(1, by_item).argsort(dim=1, descending=True, stable=True))
        values[level], items[level] = values[level].gather(1, order), items[level].gather(1, order)
    return values, items


def _best(scores: Float[Tensor, "batch n_items"], k: int) -> tuple[Float[Tensor, "batch k"], Int64[Tensor, "batch k"]]:
    """`scores.topk(k)` by way of the maxima of groups: the k groups whose maxima are the highest hold the k highest scores."""
    n = scores.shape[1]
    size = int((n / k) ** 0.5)  # as many groups as scores in the k groups of them
    if size < _SMALLEST_GROUP:
        return scores.topk(k, dim=1)
    n_groups = n // size
    maxima = scores[:, : size * n_groups].unflatten(1, (size, n_groups)).amax(dim=1)
    chosen = maxima.topk(k, dim=1, sorted=False).indices
    items = (chosen[:, None] + torch.arange(0, size * n_groups, n_groups, device=scores.device)[:, None]).flatten(1)
    rest = torch.arange(size * n_groups, n, device=scores.device).expand(len(scores), -1)
    items = torch.cat([items, rest], dim=1)
    values, place = scores.gather(1, items).topk(k, dim=1)
    return values, items.gather(1, place)


def evaluate_ranking(ranking: Ranking, positives: InteractionMatrix, ks: list[int]) -> pl.DataFrame:
    """Metrics of each ranked user: `user_idx` and one Float64 column a metric. Every ranked user must have a positive."""
    columns = all_metrics(find_relevant(ranking, positives), positives.degree[ranking.user_idx], ks)
    return pl.DataFrame({USER_IDX: ranking.user_idx.numpy()} | {name: values.numpy() for name, values in columns.items()})


def evaluate_part(ranking: Ranking, positives: InteractionMatrix, ks: list[int]) -> pl.DataFrame:
    """`evaluate_ranking` of the ranked users who have one of these positives, such as those of some items, at all."""
    having: Bool[Tensor, " n_users"] = positives.degree[ranking.user_idx] > 0
    return evaluate_ranking(Ranking(*(column[having] for column in ranking)), positives, ks)


def find_relevant(ranking: Ranking, positives: InteractionMatrix) -> Bool[Tensor, "n_users k"]:
    """Which ranked items are positives of their user."""
    offset = (ranking.user_idx * positives.n_items)[:, None]
    return is_member(positives.keys(), offset + ranking.item_idx) & (ranking.item_idx >= 0)
