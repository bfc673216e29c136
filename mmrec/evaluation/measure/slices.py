"""For whom and for what a model works: its metrics on groups of items and of users, with intervals, and tests between two models."""

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
    """What to slice by."""

    items: dict[str, Bool[Tensor, " n_items"]]
    """By the degree of the items in the training part."""
    users: dict[str, dict[str, Bool[Tensor, " n_users"]]]
    """Kinds of groups: by the users' degree in the training part, and further ones."""


class Slice(NamedTuple):
    """One group, and the metrics of the users that count in it."""

    kind: str
    name: str
    n: int
    """Users, or, of a group of items, positives."""
    per_user: pl.DataFrame


def make_groups(train: InteractionMatrix, user_groups: Mapping[str, Mapping[str, Bool[Tensor, " n_users"]]] | None = None) -> Groups:
    """Groups by degree, and the `user_groups` as `mmrec.evaluation.measure.user_groups` makes them."""
    by_degree = degree_groups(train.degree, names=("few", "mid", "many"))
    return Groups(
        degree_groups(train.item_degree), {USER_DEGREE: by_degree} | {kind: dict(found) for kind, found in (user_groups or {}).items()}
    )


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


def slices(evaluated: Evaluated, positives: InteractionMatrix, groups: Groups, k: int, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Recall and ndcg at k in every group that anything falls into, with their 95% `intervals` over its users.

    A group of items keeps the lists and counts only the positives that fall in it, over the users who have one there. `n` is that number
    of positives, or, of a group of users, of users.
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
    """Ours minus theirs in ndcg at k, user by user, in every group of two users or more.

    A group has `n_users`, the mean `difference` with its 95% interval (`low`, `high`), the `p_value` of the paired sign-flip test, and
    `p_holm`, corrected over all groups of all kinds.
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
    """Every group that is not empty."""
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
