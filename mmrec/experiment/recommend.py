"""Recommend unseen items to a user, from a run folder alone."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import DataError, nearest
from mmrec.experiment.run_folder.files import PARTS, read_table, read_vectors
from mmrec.experiment.run_folder.found import read_as_run
from mmrec.experiment.run_folder.models import open_scorer
from mmrec.experiment.settings import TrainingSettings
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import top_k
from mmrec.types import ITEM_ID, USER_ID


def recommend(run_dir: Path, user_id: str, k: int, training: Callable[[Path], TrainingSettings]) -> pl.DataFrame:
    """The best items for a user as `rank, item_id, score` and titles, without items that the user has in any part of the split.

    Args:
        run_dir: a finished run.
        user_id: the id in the data.
        k: the maximal number of items.
        training: returns the training settings of a run; called if its model has no vectors and has to be restored.

    Raises:
        DataError: the user is unknown.
    """
    with read_as_run(run_dir):
        users, items = read_table(run_dir / "users.parquet", USER_ID)[USER_ID], read_table(run_dir / "items.parquet", ITEM_ID)
        has_vectors = read_json(run_dir / "run.json").get("has_vectors", True)  # earlier versions always have vectors
        vectors = read_vectors(run_dir, len(users), len(items)) if has_vectors else None
        row = users.index_of(user_id)
        if row is None:
            raise DataError(f"user: the run knows no `{user_id}`; {nearest(user_id, users)}")
        if vectors:
            scores = vectors[1] @ vectors[0][row]
        else:
            scores = open_scorer(run_dir, training(run_dir)).score_users(torch.tensor([row]))[0]
        scores[items[ITEM_ID].is_in(_past_items(run_dir, user_id).implode()).to_torch()] = -torch.inf
        return _best(items, scores, k)


def _best(items: pl.DataFrame, scores: Float[Tensor, " n_items"], k: int) -> pl.DataFrame:
    values, best = (column[0] for column in top_k(scores[None], min(k, len(items))))
    kept = values > -torch.inf
    ranks = pl.Series("rank", range(1, int(kept.sum()) + 1), dtype=pl.Int64)
    return items[best[kept].numpy()].select(ranks, pl.all(), pl.Series("score", values[kept].numpy()))


def _past_items(run_dir: Path, user_id: str) -> pl.Series:
    parts = [read_table(run_dir / "split" / f"{part}.parquet", USER_ID, ITEM_ID) for part in PARTS]
    return pl.concat([part.filter(pl.col(USER_ID) == user_id)[ITEM_ID] for part in parts])
