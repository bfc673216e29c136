"""Is it fair? To users: the gap in ndcg between groups of them. To providers: the exposure of groups of items beside what they are due."""

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
    """`due`: what each group of items would have coming, its share of the `catalogue` and of `merit`, the training interactions.

    `models`: for each one, `users` has the gap of ndcg at k between the best and the worst group of every kind (see `user_gaps`), `items`
    the share of the exposure that each group gets in the first k places of all lists, its ratio to what is due and the disparity.
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
    """Best less worst mean of a metric over the groups of each kind, and their names. Kinds with fewer than two such groups are left out.

    A group of fewer than `min_users` has no part in it: its mean is mostly chance, and the widest gap would always be its.
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
    """Disjoint groups as `mmrec.metrics.fairness` takes them."""
    numbers = torch.full(masks[0].shape, -1)
    for number, inside in enumerate(masks):
        numbers[inside] = number
    return numbers


def _due(groups: ItemGroups, train: InteractionMatrix) -> dict[str, Float64[Tensor, " n_groups"]]:
    degree = train.item_degree.double()
    return {CATALOGUE: _share(torch.ones_like(degree), groups), MERIT: _share(degree, groups)}


def _exposure(ranking: Ranking, groups: ItemGroups, k: int) -> Float64[Tensor, " n_groups"]:
    """Every item's exposure, handed on to the groups that it is in."""
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
    """By group; None for what is no number, such as the ratio to nothing."""
    return {name: _number(value) for name, value in zip(names, values.tolist(), strict=True)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
