"""The best items for a user that they have not had, from a run folder alone."""

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
    """Returns `rank, item_id, score` and the items' titles; all that the run knew of the user, the test part too, is left out.

    Args:
        run_dir: a finished run.
        user_id: as the data call the user.
        k: at most so many items.
        training: gives the training of a run; it is asked where the run's model has no vectors, and has to be made again.

    Raises:
        DataError: for a user that the run does not know.
    """
    with read_as_run(run_dir):
        users, items = read_table(run_dir / "users.parquet", USER_ID)[USER_ID], read_table(run_dir / "items.parquet", ITEM_ID)
        has_vectors = read_json(run_dir / "run.json").get("has_vectors", True)  # whatever is older has some
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
