"""The command `mmrec search run=… "red leather boots" k=…`: the items that match a query or a picture best, from the run folder alone."""

import polars as pl
from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.errors import ConfigError
from mmrec.schemas import SearchConfig
from mmrec.terminal import show
from mmrec.types import ITEM_ID


@console_output()
def search(cfg: DictConfig) -> pl.DataFrame:
    """Print and return `rank, item_id`, the titles and `score` of the items that match best.

    Raises:
        ConfigError: there is no query, or both a query and a picture; or the run cannot answer it.
    """
    check(cfg, SearchConfig)
    if (cfg.query is None) == (cfg.image is None):
        raise ConfigError('expected a query or a picture: mmrec search run=runs/… "red leather boots", or image=photo.jpg')
    if cfg.user is not None and cfg.query is None:
        raise ConfigError("user: a picture is compared for everyone alike; leave it out, or search with words")
    run = open_run(cfg.run)
    found = run.search(cfg.query, cfg.k, user=cfg.user) if cfg.image is None else run.search(image=cfg.image, k=cfg.k)
    best = found.join(run.items, on=ITEM_ID, how="left", maintain_order="left").select("rank", *run.items.columns, "score")
    table = Table(*best.columns, title=f"for {cfg.query or cfg.image}", title_justify="left")
    for row in best.iter_rows():
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    show(table)
    return best
