"""From per-user metrics to what a run reports: means, confidence intervals, and slices of items and users."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.csr import InteractionMatrix
from mmrec.data.sample import EvaluationSet
from mmrec.metrics.full_ranking import Ranking, evaluate_ranking, rank_users
from mmrec.types import USER_IDX, Scorer

LIST_LENGTH = 100
"""The length of the lists that a run keeps."""
_SLICED = ("recall", "ndcg")


class Evaluated(NamedTuple):
    """One model, one seed, on one evaluation set."""

    ranking: Ranking
    per_user: pl.DataFrame
    """`user_idx` and one column a metric."""


class Result(NamedTuple):
    """One model, trained or tuned, measured on the validation and on the test part."""

    model: str
    seed: int
    valid: Evaluated
    test: Evaluated
    parameters: dict[str, Any]
    """What tuning chose; empty for a model that was not tuned."""
    fit_s: float
    """What training or fitting it once took, in seconds of wall time; the tuning that chose its parameters is not in it."""


def evaluate(scorer: Scorer, data: EvaluationSet, ks: list[int]) -> Evaluated:
    """Ranks the catalogue for every user of `data`; lists are `LIST_LENGTH` long, or as long as the greatest of `ks`."""
    ranking = rank_users(scorer, data.user_idx, data.seen, max(LIST_LENGTH, *ks))
    return Evaluated(ranking, evaluate_ranking(ranking, data.positives, ks))


def means(per_user: pl.DataFrame, prefix: str) -> dict[str, float]:
    """The mean over users of every metric, as `test/recall@20` with `prefix` test. Zero where there is no user."""
    metrics = per_user.drop(USER_IDX)
    return {f"{prefix}/{name}": float(metrics[name].mean() or 0.0) for name in metrics.columns}


def mean_over_seeds(by_seed: list[dict[str, float]]) -> dict[str, float]:
    """Metric by metric, the mean of several seeds' values."""
    return {name: math.fsum(values[name] for values in by_seed) / len(by_seed) for name in by_seed[0]}


def confidence(per_user: list[pl.DataFrame], prefix: str, seed: int, n_resamples: int = 1000) -> dict[str, list[float]]:
    """Percentile bootstrap over users, 95%, of each mean (Efron & Tibshirani 1993, ch. 13); a user counts with the mean over seeds."""
    values = np.mean([frame.drop(USER_IDX).to_numpy() for frame in per_user], axis=0)
    if not len(values):
        return {}
    rng = np.random.default_rng(seed)
    resampled = [values[rng.integers(len(values), size=len(values))].mean(axis=0) for _ in range(n_resamples)]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    names = per_user[0].drop(USER_IDX).columns
    return {f"{prefix}/{name}": [float(a), float(b)] for name, a, b in zip(names, low, high, strict=True)}


def slices(
    evaluated: Evaluated,
    train: InteractionMatrix,
    data: EvaluationSet,
    k: int,
    user_groups: Mapping[str, Mapping[str, Bool[Tensor, " n_users"]]] | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Recall and ndcg at k by the degree of the positives and of the users in the training part, and by other groups of users.

    An item slice keeps the lists and counts only the positives that fall in it, over the users who have one there. `n` is that number of
    positives, or, of a user slice, of users. `user_groups` are further kinds, as `mmrec.evaluation.user_groups` makes them.
    """
    by_item = {name: _item_slice(evaluated.ranking, data.positives, inside, k) for name, inside in degree_groups(train.item_degree).items()}
    kinds = {"user_degree": degree_groups(train.degree, names=("few", "mid", "many"))} | dict(user_groups or {})
    by_user = {
        kind: {name: _user_slice(evaluated.per_user, inside, k) for name, inside in groups.items()} for kind, groups in kinds.items()
    }
    return {kind: _nonempty(found) for kind, found in ({"item_degree": by_item} | by_user).items()}


def degree_groups(degree: Int64[Tensor, " n"], names: tuple[str, str, str] = ("tail", "mid", "head")) -> dict[str, Bool[Tensor, " n"]]:
    """`cold` (degree 0), and the others in three groups of about equal size by degree; equal degrees stay together."""
    warm = degree[degree > 0]
    if not len(warm):
        return {"cold": degree == 0}
    low, high = torch.quantile(warm.double(), torch.tensor([1 / 3, 2 / 3], dtype=torch.float64)).tolist()
    return {
        "cold": degree == 0,
        names[0]: (degree > 0) & (degree <= low),
        names[1]: (degree > low) & (degree <= high),
        names[2]: (degree > high) & (degree > 0),
    }


def _item_slice(ranking: Ranking, positives: InteractionMatrix, inside: Bool[Tensor, " n_items"], k: int) -> dict[str, float]:
    part = positives.of_items(inside)
    rows = part.degree[ranking.user_idx] > 0
    kept = Ranking(*(column[rows] for column in ranking))
    return {"n": len(part.indices)} | _sliced_means(evaluate_ranking(kept, part, [k]), k)


def _user_slice(per_user: pl.DataFrame, inside: Bool[Tensor, " n_users"], k: int) -> dict[str, float]:
    rows = per_user.filter(pl.Series(inside[torch.from_numpy(per_user[USER_IDX].to_numpy(writable=True))].numpy()))
    return {"n": len(rows)} | _sliced_means(rows, k)


def _sliced_means(per_user: pl.DataFrame, k: int) -> dict[str, float]:
    return {f"{name}@{k}": float(per_user[f"{name}@{k}"].mean() or 0.0) for name in _SLICED}


def _nonempty(groups: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: values for name, values in groups.items() if values["n"]}
