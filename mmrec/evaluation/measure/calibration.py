"""Calibration of recommendation lists: the distribution over item groups in users' lists compared with that in their training items.

For the groups in `item_groups`: by degree, it is popularity calibration (Abdollahpouri et al. 2021); by a column such as genre, that of
Steck 2018. Both are measured with Steck's divergence.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.metrics.beyond_accuracy import calibration
from mmrec.metrics.full_ranking import Ranking

_CHUNK_BYTES = 64 * 2**20


def miscalibration(ranking: Ranking, train: InteractionMatrix, groups: ItemGroups, k: int) -> Float64[Tensor, " n_users"]:
    """`mmrec.metrics.beyond_accuracy.calibration` of the first k of every list against the training part; 0 is perfectly calibrated.

    NaN for users without items of known groups in training or in the list.
    """
    parts = [calibration(items, users, train, groups.shares) for users, items in _chunks(ranking, train, groups, k)]
    return torch.cat([torch.empty(0, dtype=torch.float64), *parts])


def describe_calibration(
    rankings: Mapping[str, Ranking], train: InteractionMatrix, item_groups: Mapping[str, ItemGroups], k: int
) -> dict[str, Any]:
    """The mean share over users of each group in training items (`profiles`) and in the first k of each model's `lists`.

    By kind of groups, over users with a training item of a known group; lists without such an item are left out of their mean. All rankings
    must have the same users in the same order.
    """
    described = {}
    for kind, groups in item_groups.items():
        users = next(iter(rankings.values())).user_idx
        profiled = torch.cat([_profiles(part, train, groups) for part in users.split(_chunk(train, groups, k))])
        known = profiled.sum(dim=1) > 0
        profiles = _mean_share(profiled[known])
        lists = {
            name: _mean_share(torch.cat([_listed(items, groups) for _, items in _chunks(ranking, train, groups, k)])[known])
            for name, ranking in rankings.items()
        }
        described[kind] = {
            "profiles": dict(zip(groups.names, profiles, strict=True)),
            "lists": {name: dict(zip(groups.names, shares, strict=True)) for name, shares in lists.items()},
        }
    return described


def _profiles(user_idx: Int64[Tensor, " n"], train: InteractionMatrix, groups: ItemGroups) -> Float64[Tensor, "n n_groups"]:
    row, item = train.rows(user_idx)
    return groups.shares.new_zeros(len(user_idx), len(groups.names)).index_add_(0, row, groups.shares[item])


def _listed(item_idx: Int64[Tensor, "n k"], groups: ItemGroups) -> Float64[Tensor, "n n_groups"]:
    return groups.shares[item_idx].masked_fill((item_idx < 0)[..., None], 0).sum(dim=1)


def _mean_share(rows: Float64[Tensor, "n n_groups"]) -> list[float]:
    """Normalise rows to shares, and average those that are not empty."""
    known = rows[rows.sum(dim=1) > 0]
    return (known / known.sum(dim=1, keepdim=True)).mean(dim=0).nan_to_num(0.0).tolist()


def _chunk(train: InteractionMatrix, groups: ItemGroups, k: int) -> int:
    """The number of users whose lists and histories, with the groups of each item, fit into 64 MiB in the worst case."""
    return max(1, _CHUNK_BYTES // (8 * max(k, int(train.degree.max())) * len(groups.names)))


def _chunks(
    ranking: Ranking, train: InteractionMatrix, groups: ItemGroups, k: int
) -> Iterator[tuple[Int64[Tensor, " n"], Int64[Tensor, "n k"]]]:
    size = _chunk(train, groups, k)
    return zip(ranking.user_idx.split(size), ranking.item_idx[:, :k].split(size), strict=True)
