"""`mmrec recommend run=… user=… k=…`: the best items for a user that they have not had, from a run's vectors alone."""

from pathlib import Path

import polars as pl
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from mmrec.config import check
from mmrec.errors import ConfigError, DataError, nearest, printable
from mmrec.experiment.runs import find_run, read_as_run
from mmrec.metrics.full_ranking import top_k
from mmrec.schemas import RecommendConfig
from mmrec.types import ITEM_ID, USER_ID


def recommend(cfg: DictConfig) -> pl.DataFrame:
    """Prints and returns `rank, item_id, score` and the items' titles. All that the run knew of the user, the test part too, is left out.

    Raises DataError for a user that the run does not know, ConfigError for a `k` below 1.
    """
    check(cfg, RecommendConfig)
    run_dir = find_run(cfg.run)
    if cfg.k < 1:
        raise ConfigError(f"k: expected at least 1, came {cfg.k}")
    with read_as_run(run_dir):
        best = _best_items(run_dir, str(cfg.user), cfg.k)
    table = Table(*best.columns, title=f"for user {cfg.user}", title_justify="left")
    for row in best.iter_rows():
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else printable(str(value)) for value in row))
    Console().print(table)
    return best


def _best_items(run_dir: Path, user_id: str, k: int) -> pl.DataFrame:
    users, items = pl.read_parquet(run_dir / "users.parquet")[USER_ID], pl.read_parquet(run_dir / "items.parquet")
    row = users.index_of(user_id)
    if row is None:
        raise DataError(f"user: the run knows no `{user_id}`; {nearest(user_id, users)}")
    vectors = load_file(run_dir / "vectors.safetensors")
    scores = vectors["items"] @ vectors["users"][row]
    scores[items[ITEM_ID].is_in(_past_items(run_dir, user_id).implode()).to_torch()] = -torch.inf
    values, best = (column[0] for column in top_k(scores[None], min(k, len(items))))
    kept = values > -torch.inf
    ranks = pl.Series("rank", range(1, int(kept.sum()) + 1), dtype=pl.Int64)
    return items[best[kept].numpy()].select(ranks, pl.all(), pl.Series("score", values[kept].numpy()))


def _past_items(run_dir: Path, user_id: str) -> pl.Series:
    parts = [
        pl.scan_parquet(path).filter(pl.col(USER_ID) == user_id).select(ITEM_ID) for path in sorted((run_dir / "split").glob("*.parquet"))
    ]
    return pl.concat(parts).collect()[ITEM_ID]
