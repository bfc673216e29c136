"""Measure vectors of users and items on interactions that came later, with users and items that they may not know."""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import indices_of
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.aggregates import mean
from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.files import read_table, read_vectors
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import TrainedScorer
from mmrec.types import ITEM_ID, USER_ID


class Vectors(NamedTuple):
    """The vectors of a model's users and items, whose inner products are scores."""

    users: pl.Series
    items: pl.Series
    of_users: Float[Tensor, "n_users dim"]
    of_items: Float[Tensor, "n_items dim"]

    @classmethod
    def of(cls, scorer: TrainedScorer, users: pl.Series, items: pl.Series) -> "Vectors":
        """Return the vectors of a scorer. Raises ConfigError if it has none."""
        found = scorer.vectors()
        if found is None:
            raise ConfigError("board.models: a stream needs models whose scores are products of vectors")
        return cls(users, items, found.users, found.items)


def vectors_of_run(run_dir: Path) -> Vectors:
    """Read the vectors of a finished run."""
    users, items = read_table(run_dir / "users.parquet", USER_ID)[USER_ID], read_table(run_dir / "items.parquet", ITEM_ID)[ITEM_ID]
    return Vectors(users, items, *read_vectors(run_dir, len(users), len(items)))


def measure_rows(vectors: Vectors, items: pl.Series, seen: pl.DataFrame, rows: pl.DataFrame, k: int) -> float:
    """Return the mean ndcg at `k` over the users of some interactions.

    Users that the vectors do not know are represented by the mean user, and items that they do not know come last. Interactions with items
    that are not in the catalogue, or that the user had before, are left out.

    Args:
        vectors: the vectors to measure.
        items: the catalogue.
        seen: `user_id, item_id` of what users had before, which is not recommended.
        rows: `user_id, item_id` of what they chose.
        k: the cutoff.
    """
    positives = rows.unique(maintain_order=True).join(seen, on=[USER_ID, ITEM_ID], how="anti", maintain_order="left")
    positives = positives.filter(pl.col(ITEM_ID).is_in(items.implode()))
    users = positives[USER_ID].unique().sort()
    if users.is_empty():
        return 0.0
    before = seen.filter(pl.col(USER_ID).is_in(users.implode()) & pl.col(ITEM_ID).is_in(items.implode()))
    owned, wanted = (_matrix(table, users, items) for table in (before, positives))
    return mean(rank_and_evaluate(_Placed(vectors, users, items), EvaluationSet.build(owned, wanted), [k])[f"ndcg@{k}"])


def _matrix(rows: pl.DataFrame, users: pl.Series, items: pl.Series) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(indices_of(rows[USER_ID], users), indices_of(rows[ITEM_ID], items), len(users), len(items))


class _Placed:
    """Scores some users for a catalogue of which the vectors may know a part only."""

    def __init__(self, vectors: Vectors, users: pl.Series, items: pl.Series) -> None:
        at, self.columns = indices_of(users, vectors.users), indices_of(items, vectors.items)
        self.of_users = torch.where((at >= 0)[:, None], vectors.of_users[at.clamp(min=0)], vectors.of_users.mean(dim=0))
        self.of_items = vectors.of_items[self.columns.clamp(min=0)]

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        scores: Tensor = self.of_users[user_idx] @ self.of_items.T
        least = scores.min().item() - 1
        return scores.masked_fill(self.columns < 0, least)
