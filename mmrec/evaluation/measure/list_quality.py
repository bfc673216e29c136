"""Beyond-accuracy properties of a model's lists: coverage, novelty, popularity, diversity, serendipity and calibration."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.calibration import miscalibration
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.evaluation.measure.slices import ITEM_DEGREE
from mmrec.metrics.beyond_accuracy import (
    average_popularity,
    catalogue_coverage,
    count_exposure,
    gini,
    intra_list_distance,
    long_tail,
    novelty,
    serendipity,
    tail_share,
)
from mmrec.metrics.full_ranking import Ranking, find_relevant
from mmrec.types import Features

HEAD_SHARE = 0.8
"""The head is the smallest set of items with this share of the training interactions; the others are the tail."""


def describe_lists(
    ranking: Ranking,
    train: InteractionMatrix,
    positives: InteractionMatrix,
    features: Mapping[str, Features],
    expected: Int64[Tensor, "n_users m"] | None,
    item_groups: Mapping[str, ItemGroups],
    k: int,
) -> dict[str, float]:
    """Measures of `mmrec.metrics.beyond_accuracy` on the first k of every list, means over users; undefined ones are left out.

    `coverage`, `gini`: over the catalogue. `novelty` (bits), `popularity` (training users of an item), `tail_share`: by the training part.
    `distance_<modality>`: 1 - cosine of frozen features within a list. `serendipity`: relevant and not among the first k of the `expected`
    lists of the popularity baseline for the same users. `miscalibration`: of the item degrees relative to the user's training items, and
    `miscalibration_<column>` of other `item_groups`.
    """
    lists, degree = ranking.item_idx[:, :k], train.item_degree
    exposure = count_exposure(lists, train.n_items)
    per_user = {
        "novelty": novelty(lists, degree, train.n_users),
        "popularity": average_popularity(lists, degree),
        "tail_share": tail_share(lists, long_tail(degree, HEAD_SHARE)),
    }
    per_user |= {f"distance_{name}": intra_list_distance(lists, found.values, found.present) for name, found in features.items()}
    per_user |= {_miscalibration(kind): miscalibration(ranking, train, groups, k) for kind, groups in item_groups.items()}
    if expected is not None:
        per_user["serendipity"] = serendipity(lists, find_relevant(ranking, positives)[:, :k], expected[:, :k])
    values = {"coverage": catalogue_coverage(exposure), "gini": gini(exposure)}
    values |= {name: float(torch.nanmean(column)) for name, column in per_user.items()}
    return {f"{name}@{k}": float(value) for name, value in values.items() if math.isfinite(value)}


def _miscalibration(kind: str) -> str:
    return "miscalibration" if kind == ITEM_DEGREE else f"miscalibration_{kind.removeprefix('items.')}"
