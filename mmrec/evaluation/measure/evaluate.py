"""Per-user metrics of a scorer, and their means and confidence intervals for a run."""

import math
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
from jaxtyping import Float64

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.evaluation.compare.significance import mean_intervals
from mmrec.evaluation.measure.grades import Graded, graded_columns
from mmrec.metrics.auc import auc_of_users
from mmrec.metrics.full_ranking import LIST_LENGTH, Evaluated, Ranking, evaluate_ranking, rank_users
from mmrec.metrics.pooled import pooled_intervals
from mmrec.types import USER_IDX, Scorer


class Result(NamedTuple):
    """The results of one model, trained or tuned, on the validation and test parts."""

    model: str
    seed: int
    valid: Evaluated
    test: Evaluated
    parameters: dict[str, Any]
    """The hyperparameters chosen by tuning; empty if the model was not tuned."""
    fit_s: float
    """The wall-clock seconds of training or fitting once, without the tuning."""
    chosen: dict[str, Any] = {}  # noqa: RUF012
    """The choices made on the validation part during training, by part: of priors, and the weights of a mixture."""


def evaluate(scorer: Scorer, data: EvaluationSet, ks: list[int], graded: Graded | None = None, with_auc: bool = False) -> Evaluated:
    """Rank the catalogue for every user of `data`, in lists of `LIST_LENGTH` or the largest of `ks`, and compute metrics.

    Args:
        scorer: the model.
        data: the evaluation set.
        ks: the cutoffs.
        graded: adds `graded_ndcg@k`.
        with_auc: adds `auc` over all unseen items, at the cost of scoring and sorting once more.
    """
    ranking = rank_users(scorer, data.user_idx, data.seen, max(LIST_LENGTH, *ks))
    return complete(evaluate_lists(ranking, data, ks, None), scorer, data, graded, with_auc)


def complete(evaluated: Evaluated, scorer: Scorer, data: EvaluationSet, graded: Graded | None, with_auc: bool) -> Evaluated:
    """Add `graded_ndcg@k`, at the cutoffs of the other metrics, and `auc` to the results of lists, as `evaluate` does."""
    columns = evaluated.per_user.columns
    ks = list(dict.fromkeys(int(name.rpartition("@")[2]) for name in columns if name.startswith("ndcg@")))
    per_user = _with_grades(evaluated.per_user, evaluated.lists, graded, ks)
    if with_auc:
        per_user = per_user.with_columns(pl.Series("auc", auc_of_users(scorer, data).numpy()).fill_nan(None))
    return evaluated._replace(per_user=per_user)


def evaluate_lists(ranking: Ranking, data: EvaluationSet, ks: list[int], graded: Graded | None) -> Evaluated:
    """Evaluate existing lists as `evaluate` does, without metrics that require all scores."""
    return Evaluated(ranking, _with_grades(evaluate_ranking(ranking, data.positives, ks), ranking, graded, ks))


def _with_grades(per_user: pl.DataFrame, ranking: Ranking, graded: Graded | None, ks: list[int]) -> pl.DataFrame:
    if graded is None:
        return per_user
    return per_user.with_columns(**{name: values.numpy() for name, values in graded_columns(ranking, graded, ks).items()})


def means(per_user: pl.DataFrame, prefix: str) -> dict[str, float]:
    """The mean over users of every metric, as `test/recall@20` with `prefix` test; zero if there are no users."""
    metrics = per_user.drop(USER_IDX)
    return {f"{prefix}/{name}": float(cast("float | None", metrics[name].mean()) or 0.0) for name in metrics.columns}


def mean_over_seeds(by_seed: list[dict[str, float]]) -> dict[str, float]:
    """The mean over seeds of each metric."""
    return {name: math.fsum(values[name] for values in by_seed) / len(by_seed) for name in by_seed[0]}


def values_of(evaluated: Evaluated, prefix: str) -> dict[str, float]:
    """As `means`, with the metrics over all rows of a task that has such instead, these first."""
    pooled = {} if evaluated.pooled is None else {f"{prefix}/{name}": value for name, value in evaluated.pooled.values().items()}
    return pooled | {name: value for name, value in means(evaluated.per_user, prefix).items() if name not in pooled}


def intervals_of(by_seed: list[Evaluated], prefix: str, seed: int) -> dict[str, list[float]]:
    """As `confidence`; users are resampled for metrics over all rows, too."""
    found = confidence([one.per_user for one in by_seed], prefix, seed)
    pooled = [one.pooled for one in by_seed if one.pooled is not None]
    return found | {f"{prefix}/{name}": list(ends) for name, ends in (pooled_intervals(pooled, seed) if pooled else {}).items()}


def confidence(per_user: list[pl.DataFrame], prefix: str, seed: int, n_resamples: int = 1000) -> dict[str, list[float]]:
    """The 95% interval over users of each mean, with users averaged over seeds; by percentile bootstrap, see `mean_intervals`.

    Users for whom a metric is undefined are left out.
    """
    values = np.mean([frame.drop(USER_IDX).cast(pl.Float64).to_numpy() for frame in per_user], axis=0)
    known = ~np.isnan(values).all(axis=0)
    names, values = [name for name, any_user in zip(per_user[0].drop(USER_IDX).columns, known, strict=True) if any_user], values[:, known]
    if not len(values):
        return {}
    if np.isnan(values).any():
        rng = np.random.default_rng(seed)
        resampled = [_mean_of_known(values[rng.integers(len(values), size=len(values))]) for _ in range(n_resamples)]
        low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
    else:
        low, high = mean_intervals(values, seed, n_resamples)
    return {f"{prefix}/{name}": [float(a), float(b)] for name, a, b in zip(names, low, high, strict=True)}


def _mean_of_known(values: Float64[np.ndarray, "n_users n"]) -> Float64[np.ndarray, " n"]:
    with np.errstate(invalid="ignore"):  # a resample may contain no defined value
        averages: Float64[np.ndarray, " n"] = np.nansum(values, axis=0) / (~np.isnan(values)).sum(axis=0)
    return averages
