"""Fairness of rankings: the gap in ndcg between groups of users, and the exposure of groups of items relative to their due share."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.metrics.fairness import exposure_disparity, exposure_ratio, group_exposure, group_gap, group_means, group_share
from mmrec.metrics.full_ranking import Evaluated, Ranking
from mmrec.types import USER_IDX

MIN_USERS = 10
CATALOGUE, MERIT = "catalogue", "merit"
UserGroups = Mapping[str, Mapping[str, Bool[Tensor, " n_users"]]]


def describe_fairness(
    models: Mapping[str, Evaluated], train: InteractionMatrix, user_groups: UserGroups, item_groups: Mapping[str, ItemGroups], k: int
) -> dict[str, Any]:
    """Describe the fairness of models.

    Returns:
        `due`: the due share of each group of items, its share of the `catalogue` and of `merit` (training interactions). `models`: for each
        model, `users` has the gap of ndcg at k between the best and the worst group of every kind (see `user_gaps`), and `items` the share
        of exposure of each group in the first k positions of all lists, its ratio to the due share and the disparity.
    """
    due = {kind: _due(groups, train) for kind, groups in item_groups.items()}
    described = {}
    for name, evaluated in models.items():
        exposure = {kind: _exposure(evaluated.lists, groups, k) for kind, groups in item_groups.items()}
        items = {kind: _beside(shares, due[kind], item_groups[kind].names) for kind, shares in exposure.items()}
        described[name] = {"users": user_gaps(evaluated, user_groups, f"ndcg@{k}"), "items": items}
    named = {kind: {what: _named(shares, item_groups[kind].names) for what, shares in found.items()} for kind, found in due.items()}
    return {"due": named, "models": described}


def user_gaps(evaluated: Evaluated, user_groups: UserGroups, metric: str, min_users: int = MIN_USERS) -> dict[str, dict[str, Any]]:
    """The difference between the best and the worst group mean of a metric for each kind of groups, with the groups' names.

    Groups with fewer than `min_users` are ignored, since their mean is mostly chance and would often be extreme. Kinds with fewer than two
    other groups are left out.
    """
    values = torch.from_numpy(evaluated.per_user[metric].to_numpy(writable=True))
    user_idx = torch.from_numpy(evaluated.per_user[USER_IDX].to_numpy(writable=True))
    gaps = {}
    for kind, groups in user_groups.items():
        large = {name: inside[user_idx] for name, inside in groups.items() if int(inside[user_idx].sum()) >= min_users}
        if len(large) > 1:
            means = group_means(values, _numbers(list(large.values())), len(large))
            worst, best = (list(large)[int(place)] for place in (means.argmin(), means.argmax()))
            gaps[kind] = {metric: group_gap(means), "worst": worst, "best": best}
    return gaps


def _numbers(masks: list[Bool[Tensor, " n"]]) -> Int64[Tensor, " n"]:
    """Number disjoint groups as `mmrec.metrics.fairness` requires."""
    numbers = torch.full(masks[0].shape, -1)
    for number, inside in enumerate(masks):
        numbers[inside] = number
    return numbers


def _due(groups: ItemGroups, train: InteractionMatrix) -> dict[str, Float64[Tensor, " n_groups"]]:
    degree = train.item_degree.double()
    return {CATALOGUE: _share(torch.ones_like(degree), groups), MERIT: _share(degree, groups)}


def _exposure(ranking: Ranking, groups: ItemGroups, k: int) -> Float64[Tensor, " n_groups"]:
    """The exposure of every item, distributed over its groups."""
    n_items = len(groups.shares)
    return _share(group_exposure(ranking.item_idx[:, :k], torch.arange(n_items), n_items), groups)


def _share(weights: Float64[Tensor, " n_items"], groups: ItemGroups) -> Float64[Tensor, " n_groups"]:
    item, group = groups.shares.nonzero().unbind(1)
    return group_share(weights[item] * groups.shares[item, group], group, len(groups.names))


def _beside(
    exposure: Float64[Tensor, " n_groups"], due: Mapping[str, Float64[Tensor, " n_groups"]], names: tuple[str, ...]
) -> dict[str, Any]:
    beside: dict[str, Any] = {"exposure": _named(exposure, names)}
    for what, shares in due.items():
        beside[f"{what}_ratio"] = _named(exposure_ratio(exposure, shares), names)
        beside[f"{what}_disparity"] = _number(exposure_disparity(exposure, shares))
    return beside


def _named(values: Float64[Tensor, " n_groups"], names: tuple[str, ...]) -> dict[str, float | None]:
    """Values by group; None for undefined values, such as the ratio to zero."""
    return {name: _number(value) for name, value in zip(names, values.tolist(), strict=True)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
