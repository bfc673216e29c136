"""Deletion and insertion curves: the lead of an item while what explains it is taken away, or added, the most important first."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.explain.evidence import EvidenceExplainer
from mmrec.explain.shapley import Coalition

N_POINTS = 10
T = TypeVar("T")

LeadOfHistories = Callable[[Sequence[Sequence[int]]], Float[Tensor, " n"]]
"""The lead of an item for users with the given items."""


def evidence_areas(
    explainer: EvidenceExplainer,
    user_idx: Int64[Tensor, " n"],
    item_idx: Int64[Tensor, " n"],
    importance: Float[Tensor, "n modalities"],
    is_removed: bool,
) -> Float[Tensor, " n"]:
    """Return the area under the curve of each pair over its modalities: the mean lead over all points, from none to all of them.

    See Petsiuk et al. 2018, "RISE". The smaller the area under the deletion curve, and the larger that under the insertion curve, the
    better the order tells what the score rests on.

    Args:
        explainer: the explainer of a model, which says what a set of modalities is worth.
        user_idx: the user of each pair.
        item_idx: the item of each pair.
        importance: that of each modality, in the order of `explainer.modalities`.
        is_removed: whether modalities are removed from all (deletion) or added to none (insertion), the most important first.
    """
    rows_by_kept: dict[Coalition, list[int]] = {}
    for row, order in enumerate(importance.argsort(dim=1, descending=True, stable=True).tolist()):
        for kept in kept_subsets([explainer.modalities[m] for m in order], is_removed, len(order)):
            rows_by_kept.setdefault(frozenset(kept), []).append(row)
    total = torch.zeros(len(user_idx))
    for coalition, rows in rows_by_kept.items():
        total[rows] += explainer.value(coalition, user_idx[rows], item_idx[rows])
    return total / (len(explainer.modalities) + 1)


def history_area(lead: LeadOfHistories, order: Sequence[int], is_removed: bool, n_points: int = N_POINTS) -> float:
    """Return the area under the curve of an item over the items of the history: the mean lead at points of equal distance.

    Args:
        lead: the lead of the item.
        order: the items of the history, the most important first.
        is_removed: as for `evidence_areas`.
        n_points: the number of steps from all to none; at most one for each item.
    """
    return float(lead(kept_subsets(order, is_removed, min(n_points, len(order)))).mean())


def kept_subsets(order: Sequence[T], is_removed: bool, n_steps: int) -> list[list[T]]:
    """Return what is left at each point of a curve.

    Raises:
        ValueError: there are no steps, or more than players.

    >>> kept_subsets("abcd", True, 2)
    [['a', 'b', 'c', 'd'], ['c', 'd'], []]
    >>> kept_subsets("abcd", False, 4)
    [[], ['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd']]
    """
    if not 1 <= n_steps <= len(order):
        raise ValueError(f"n_steps: expected 1 to {len(order)}, found {n_steps}")
    cuts = [round(step * len(order) / n_steps) for step in range(n_steps + 1)]
    return [list(order[cut:] if is_removed else order[:cut]) for cut in cuts]
