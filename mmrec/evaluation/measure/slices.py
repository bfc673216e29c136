"""Metrics on groups of items and users, with confidence intervals, and tests between two models."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.aggregates import mean
from mmrec.evaluation.compare.significance import holm, mean_intervals, permutation_p_value
from mmrec.metrics.full_ranking import Evaluated, evaluate_part
from mmrec.types import USER_IDX

ITEM_DEGREE, USER_DEGREE = "item_degree", "user_degree"
_SLICED = ("recall", "ndcg")


class Groups(NamedTuple):
    """The groups to slice by."""

    items: dict[str, Bool[Tensor, " n_items"]]
    """By the training degree of items."""
    users: dict[str, dict[str, Bool[Tensor, " n_users"]]]
    """Kinds of groups: by the training degree of users, and further ones."""


class Slice(NamedTuple):
    """A group with the metrics of its users."""

    kind: str
    name: str
    n: int
    """The number of users, or, for a group of items, of positives."""
    per_user: pl.DataFrame


def make_groups(train: InteractionMatrix, user_groups: Mapping[str, Mapping[str, Bool[Tensor, " n_users"]]] | None = None) -> Groups:
    """Groups by degree, and the `user_groups` from `mmrec.evaluation.measure.user_groups`."""
    by_degree = degree_groups(train.degree, names=("few", "mid", "many"))
    return Groups(
        degree_groups(train.item_degree), {USER_DEGREE: by_degree} | {kind: dict(found) for kind, found in (user_groups or {}).items()}
    )


def degree_groups(degree: Int64[Tensor, " n"], names: tuple[str, str, str] = ("tail", "mid", "head")) -> dict[str, Bool[Tensor, " n"]]:
    """`cold` (degree 0), and three groups of about equal size for higher degrees; equal degrees are not separated."""
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


def slices(evaluated: Evaluated, positives: InteractionMatrix, groups: Groups, k: int, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Recall and ndcg at k in every nonempty group, with 95% `intervals` over its users.

    For a group of items, lists are unchanged and only positives in the group count, over users who have any. `n` is the number of
    positives, or of users for a group of users.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in (ITEM_DEGREE, *groups.users)}
    for part in _parts(evaluated, positives, groups, k):
        values = part.per_user.drop(USER_IDX)
        low, high = mean_intervals(values.to_numpy(), seed).tolist()
        intervals = {name: list(ends) for name, *ends in zip(values.columns, low, high, strict=True)}
        found[part.kind][part.name] = (
            {"n": part.n} | {name: float(mean(values[name])) for name in values.columns} | {"intervals": intervals}
        )
    return found


def compare_slices(
    ours: Evaluated, theirs: Evaluated, positives: InteractionMatrix, groups: Groups, k: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """The difference in ndcg at k of ours minus theirs in every group with at least two users.

    Returns:
        By kind and group: `n_users`, the mean `difference` with its 95% interval (`low`, `high`), the `p_value` of the paired sign-flip
        test, and `p_holm`, corrected over all groups of all kinds.
    """
    found: list[tuple[str, str, dict[str, float]]] = []
    for one, other in zip(*(_parts(each, positives, groups, k) for each in (ours, theirs)), strict=True):
        differences = (one.per_user[f"ndcg@{k}"] - other.per_user[f"ndcg@{k}"]).to_numpy()
        if len(differences) > 1:
            low, high = mean_intervals(differences[:, None], seed)[:, 0].tolist()
            values = {"n_users": len(differences), "difference": float(differences.mean()), "low": low, "high": high}
            found.append((one.kind, one.name, values | {"p_value": permutation_p_value(differences, seed)}))
    tests: dict[str, dict[str, dict[str, float]]] = {}
    for (kind, name, values), p in zip(found, holm([values["p_value"] for *_, values in found]), strict=True):
        tests.setdefault(kind, {})[name] = values | {"p_holm": p}
    return tests


def _parts(evaluated: Evaluated, positives: InteractionMatrix, groups: Groups, k: int) -> Iterator[Slice]:
    """Yield the nonempty groups."""
    columns = [USER_IDX, *(f"{name}@{k}" for name in _SLICED)]
    for name, inside in groups.items.items():
        part = positives.of_items(inside)
        if len(part.indices):
            yield Slice(ITEM_DEGREE, name, len(part.indices), evaluate_part(evaluated.lists, part, [k]).select(columns))
    per_user = evaluated.per_user.select(columns)
    user_idx = torch.from_numpy(per_user[USER_IDX].to_numpy(writable=True))
    for kind, found in groups.users.items():
        for name, inside in found.items():
            rows = per_user.filter(pl.Series(inside[user_idx].numpy()))
            if len(rows):
                yield Slice(kind, name, len(rows), rows)
