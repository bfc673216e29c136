"""`mmrec recommend run=… user=… k=…`: the best items for a user that they have not had, from the run folder alone."""

import polars as pl
from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.schemas import RecommendConfig
from mmrec.terminal import say, show
from mmrec.types import ITEM_ID


@console_output()
def recommend(cfg: DictConfig) -> pl.DataFrame:
    """Prints and returns `rank, item_id, score` and the items' titles. All that the run knew of the user, the test part too, is left out.

    Where nothing is left the table is empty, and a sentence says so in its place.

    Raises DataError for a user that the run does not know.
    """
    check(cfg, RecommendConfig)
    run = open_run(cfg.run)
    found = run.recommend(str(cfg.user), cfg.k)
    best = found.join(run.items, on=ITEM_ID, how="left", maintain_order="left").select("rank", *run.items.columns, "score")
    if best.is_empty():
        say(f"user {cfg.user} has had every item of the run in training, validation or test: nothing is left to recommend")
        return best
    table = Table(*best.columns, title=f"for user {cfg.user}", title_justify="left")
    for row in best.iter_rows():
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    show(table)
    return best
