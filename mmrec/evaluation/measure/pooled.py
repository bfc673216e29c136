"""Metrics over rows, such as the error of ratings: by group of items and users, and how well probabilities agree with what happened."""

from typing import Any

from jaxtyping import Bool
from torch import Tensor

from mmrec.evaluation.measure.slices import ITEM_DEGREE, Groups
from mmrec.metrics.pooled import Pooled, pooled_intervals

_N_BINS, _N_RESAMPLES = 10, 100


def pooled_slices(pooled: Pooled, groups: Groups, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the metrics of the rows of every nonempty group, with 95% `intervals` over users.

    `n` is the number of rows, or of users for a group of users.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in (ITEM_DEGREE, *groups.users)}
    for name, inside in groups.items.items():
        _add(found[ITEM_DEGREE], name, pooled, inside[pooled.item_idx], seed)
    for kind, parts in groups.users.items():
        for name, inside in parts.items():
            _add(found[kind], name, pooled, inside[pooled.user_idx], seed)
            if name in found[kind]:
                found[kind][name]["n"] = len(pooled.user_idx[inside[pooled.user_idx]].unique())
    return found


def _add(found: dict[str, dict[str, Any]], name: str, pooled: Pooled, wanted: Bool[Tensor, " n"], seed: int) -> None:
    part = pooled.of(wanted)
    if len(part.user_idx):
        intervals = {metric: list(ends) for metric, ends in pooled_intervals([part], seed, _N_RESAMPLES).items()}
        found[name] = {"n": len(part.user_idx)} | part.values() | {"intervals": intervals}


def reliability(pooled: Pooled) -> list[dict[str, float]]:
    """Return the mean predicted probability, the share that happened, and the number of events, in ten bins of equally many events."""
    probabilities, happened = pooled.events(pooled.columns)
    order = probabilities.argsort(stable=True)
    bins = zip(probabilities[order].tensor_split(_N_BINS), happened[order].tensor_split(_N_BINS), strict=True)
    return [
        {"predicted": float(predicted.mean()), "observed": float(true.double().mean()), "n": len(true)}
        for predicted, true in bins
        if len(true)
    ]
