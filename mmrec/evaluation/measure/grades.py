"""Relevance grades of held-out positives, from their ratings, for graded nDCG.

A grade is the rating if all training ratings are positive. Otherwise all ratings are shifted so that the lowest training rating becomes 1,
since no positive is worthless. Held-out ratings below the lowest training rating, and missing ones, are replaced by it. Thus all grades are
positive, and no statistic of held-out rows is used.
"""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.aggregates import minimum
from mmrec.metrics.full_ranking import Ranking
from mmrec.metrics.graded import grade_pairs, graded_ndcg, look_up_grades, pad_grades
from mmrec.types import ITEM_ID, RATING, USER_ID

_CHUNK = 8192


class Graded(NamedTuple):
    """Positives, and the grade of each of their entries."""

    positives: InteractionMatrix
    grades: Float64[Tensor, " nnz"]


class HeldOutGrades(NamedTuple):
    """The grades of both held-out parts; None if the interactions have no ratings."""

    valid: Graded | None
    test: Graded | None


def read_grades(split_dir: Path, index: Index) -> HeldOutGrades:
    """Read the grades from the split tables of a run folder."""
    paths = {part: split_dir / f"{part}.parquet" for part in ("train", "valid", "test")}
    if RATING not in pl.scan_parquet(paths["train"], glob=False).collect_schema():
        return HeldOutGrades(None, None)
    train = pl.read_parquet(paths["train"], columns=[RATING], glob=False)[RATING]
    valid, test = (pl.read_parquet(paths[part], columns=[USER_ID, ITEM_ID, RATING], glob=False) for part in ("valid", "test"))
    return HeldOutGrades(grade_rows(valid, train, index), grade_rows(test, train, index))


def grade_rows(rows: pl.DataFrame, train: pl.Series, index: Index) -> Graded | None:
    """Grade the rows `user_id, item_id, rating` of a held-out part by the ratings of `train`; None if training has no ratings."""
    train = train.drop_nulls().drop_nans()
    if not len(train):
        return None
    least = float(minimum(train))
    shift = 0.0 if least > 0 else 1.0 - least
    grades = rows[RATING].cast(pl.Float64).fill_nan(None).fill_null(least).clip(lower_bound=least) + shift
    ids = index.user_idx(rows[USER_ID]), index.item_idx(rows[ITEM_ID])
    return Graded(*grade_pairs(*ids, torch.from_numpy(grades.to_numpy(writable=True)), index.n_users, index.n_items))


def graded_columns(ranking: Ranking, graded: Graded, ks: list[int]) -> dict[str, Float64[Tensor, " n_users"]]:
    """`graded_ndcg@k` of every ranked user, with linear gain. Every ranked user must have a positive."""
    parts = [
        _graded(users, items, graded, ks)
        for users, items in zip(ranking.user_idx.split(_CHUNK), ranking.item_idx[:, : max(ks)].split(_CHUNK), strict=True)
    ]
    return {f"graded_ndcg@{k}": torch.cat([part[i] for part in parts]) for i, k in enumerate(ks)}


def _graded(
    user_idx: Int64[Tensor, " n_users"], item_idx: Int64[Tensor, "n_users depth"], graded: Graded, ks: list[int]
) -> list[Float64[Tensor, " n_users"]]:
    found, ideal = look_up_grades(user_idx, item_idx, *graded), pad_grades(user_idx, *graded)
    return [graded_ndcg(found, ideal, k) for k in ks]
