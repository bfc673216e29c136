"""A signal that is only in the future must be worth nothing under splits by time, and is worth much under a random one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split, global_time, random_ratio, user_time
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.closed_form.ease import EASE
from mmrec.models.closed_form.item_knn import ItemKNN
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import Dataset, DatasetSpec

N_USERS, N_ITEMS, N_PAST, N_FUTURE, N_PLANTED, K = 600, 100, 12, 6, 8, 8
BASELINES = {
    "popularity": Popularity,
    "item_knn": partial(ItemKNN, n_neighbors=50, shrinkage=0.0),
    "ease": partial(EASE, regularization=50.0),
}
SPLITS: dict[str, Callable[..., Split]] = {
    "user_time": user_time,
    "global_time": global_time,
    "random_ratio": partial(random_ratio, seed=0),
}


def interactions() -> pl.DataFrame:
    """In the first year anything; from then on the planted items alone, of which everyone takes some and nobody took any before."""
    rng, rows = np.random.default_rng(0), []
    for user in range(N_USERS):
        past, future = rng.permutation(np.arange(N_PLANTED, N_ITEMS))[:N_PAST], rng.permutation(N_PLANTED)[:N_FUTURE]
        times = np.concatenate([rng.integers(0, 1000, N_PAST), rng.integers(1000, 1400, N_FUTURE)])
        rows += [(f"u{user}", f"i{item}", int(time)) for item, time in zip([*past, *future], times, strict=True)]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def recall(split: Split, baseline: ClosedFormRecommender) -> float:
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(N_ITEMS)]})
    index = Index.build(Dataset("planted", Path(), interactions(), items, text_columns=()), seed=1)
    train, test = (index.interactions(part) for part in (split.train, split.test))
    seen, positives = (InteractionMatrix.from_pairs(p.user_idx, p.item_idx, index.n_users, index.n_items) for p in (train, test))
    fitted = baseline.fit(DatasetSpec(index.n_users, index.n_items, train))
    return float(rank_and_evaluate(fitted, EvaluationSet.build(seen, positives), [K])[f"recall@{K}"].mean())


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("split", SPLITS)
def test_only_a_random_split_teaches_the_future(split: str, name: str) -> None:
    """Under splits by time the planted items have no training row: at best they are ranked like any of the items that are left."""
    torch.manual_seed(0)
    held_out = (N_FUTURE / 2 / (N_PAST + N_FUTURE),) * 2
    found = recall(SPLITS[split](interactions(), valid_ratio=held_out[0], test_ratio=held_out[1]), BASELINES[name]())
    chance = K / (N_ITEMS - N_PAST)
    if split == "random_ratio":
        assert found > 3 * chance
    else:
        assert found <= chance + 0.02
