"""`mmrec recommend run=… user=… k=…`: the best items for a user that they have not had, from the run folder alone."""

from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor

from mmrec.config import check
from mmrec.errors import DataError, nearest
from mmrec.experiment.run_files import PARTS, read_table, read_vectors
from mmrec.experiment.runs import find_run, read_as_run
from mmrec.experiment.saved_models import open_scorer
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import top_k
from mmrec.schemas import RecommendConfig
from mmrec.terminal import say, show
from mmrec.types import ITEM_ID, USER_ID


def recommend(cfg: DictConfig) -> pl.DataFrame:
    """Prints and returns `rank, item_id, score` and the items' titles. All that the run knew of the user, the test part too, is left out.

    Where nothing is left the table is empty, and a sentence says so in its place.

    Raises DataError for a user that the run does not know.
    """
    check(cfg, RecommendConfig)
    run_dir = find_run(cfg.run)
    with read_as_run(run_dir):
        best = _best_items(run_dir, str(cfg.user), cfg.k)
    if best.is_empty():
        say(f"user {cfg.user} has had every item of the run in training, validation or test: nothing is left to recommend")
        return best
    table = Table(*best.columns, title=f"for user {cfg.user}", title_justify="left")
    for row in best.iter_rows():
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    show(table)
    return best


def _best_items(run_dir: Path, user_id: str, k: int) -> pl.DataFrame:
    users, items = read_table(run_dir / "users.parquet", USER_ID)[USER_ID], read_table(run_dir / "items.parquet", ITEM_ID)
    row = users.index_of(user_id)
    if row is None:
        raise DataError(f"user: the run knows no `{user_id}`; {nearest(user_id, users)}")
    scores = _scores(run_dir, row, len(users), len(items))
    scores[items[ITEM_ID].is_in(_past_items(run_dir, user_id).implode()).to_torch()] = -torch.inf
    values, best = (column[0] for column in top_k(scores[None], min(k, len(items))))
    kept = values > -torch.inf
    ranks = pl.Series("rank", range(1, int(kept.sum()) + 1), dtype=pl.Int64)
    return items[best[kept].numpy()].select(ranks, pl.all(), pl.Series("score", values[kept].numpy()))


def _scores(run_dir: Path, user_idx: int, n_users: int, n_items: int) -> Float[Tensor, " n_items"]:
    """By the run's vectors; where its model has none, by the model itself."""
    if read_json(run_dir / "run.json").get("has_vectors", True):  # whatever is older has some
        user_vectors, item_vectors = read_vectors(run_dir, n_users, n_items)
        return item_vectors @ user_vectors[user_idx]
    return open_scorer(run_dir).score_users(torch.tensor([user_idx]))[0]


def _past_items(run_dir: Path, user_id: str) -> pl.Series:
    parts = [read_table(run_dir / "split" / f"{part}.parquet", USER_ID, ITEM_ID) for part in PARTS]
    return pl.concat([part.filter(pl.col(USER_ID) == user_id)[ITEM_ID] for part in parts])
