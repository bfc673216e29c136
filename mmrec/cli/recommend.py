"""The command `mmrec recommend run=… user=… k=…`: the top-k unseen items for a user, from the run folder alone."""

import polars as pl
from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.config.verbs.rerank import rerankers
from mmrec.schemas import RecommendConfig
from mmrec.terminal import say, show
from mmrec.types import ITEM_ID


@console_output()
def recommend(cfg: DictConfig) -> pl.DataFrame:
    """Print and return `rank, item_id, score` and the titles of the best items for a user.

    Items that the user has interacted with in training, validation or test are excluded; the table is empty if these are all items.

    Raises:
        DataError: the user is not in the run.
        ConfigError: a value is invalid, or the items lack what `rerank` needs.
    """
    check(cfg, RecommendConfig)
    run = open_run(cfg.run, *places_of(cfg))
    found = run.recommend(str(cfg.user), cfg.k, rerank=rerankers(cfg) or None, at=cfg.get("at"))
    best = found.join(run.items, on=ITEM_ID, how="left", maintain_order="left").select("rank", *run.items.columns, "score")
    if best.is_empty():
        say(f"user {cfg.user} has interacted with every item of the run in training, validation or test; nothing to recommend")
        return best
    table = Table(*best.columns, title=f"for user {cfg.user}", title_justify="left")
    for row in best.iter_rows():
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    show(table)
    return best
