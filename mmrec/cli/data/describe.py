"""The command `mmrec data describe`: print statistics of a dataset, and write them to an HTML page."""

from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table
from rich.text import Text

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.data.discover.describe import Counts, Description, describe
from mmrec.errors import printable
from mmrec.evaluation.pages.dataset_page import facts, spread_cells, write_description
from mmrec.schemas import DescribeCommandConfig
from mmrec.terminal import say, show
from mmrec.types import Dataset

_BAR = 30


@console_output()
def describe_command(cfg: DictConfig) -> Description:
    """Print and return the statistics of a dataset (see `mmrec.data.discover.describe`), and write a page to `output` if given."""
    check(cfg, DescribeCommandConfig)
    dataset: Dataset = build(cfg, "data")
    found = describe(dataset, cfg.examples)
    show(_pairs(f"{found.name}", facts(found)), _spreads(found))
    for title, counts in ((f"interactions per {found.period}", found.over_time), ("ratings", found.ratings), ("events", found.events)):
        if counts:
            show(_bars(title, counts))
    if found.coverage:
        show(_coverage(found))
    if found.examples:
        show(_examples(found))
    say(f"users: {', '.join(found.user_ids)}, …", f"items: {', '.join(found.item_ids)}, …", stderr=False)
    say(*(f"note: {note}" for note in found.notes), stderr=False)
    if cfg.output is not None:
        write_description(Path(cfg.output), found, dataset)
        say(f"page: {cfg.output}", stderr=False)
    return found


def _table(title: str, *columns: str, numbers: bool = False) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and place else "left")
    return table


def _pairs(title: str, facts: dict[str, str]) -> Table:
    table = _table(title, "", "", numbers=True)
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _spreads(found: Description) -> Table:
    quantiles = (f"{100 * q:g}%" for q in found.per_user.quantiles)
    table = _table("interactions per …", "", *quantiles, "mean", "Gini", numbers=True)
    for name, spread in (("user", found.per_user), ("item", found.per_item)):
        table.add_row(name, *spread_cells(spread))
    return table


def _bars(title: str, counts: Counts) -> Table:
    """A bar chart with at most twenty bars; adjacent counts are summed if there are more."""
    size = -(-len(counts) // 20)
    groups = [counts[start : start + size] for start in range(0, len(counts), size)]
    rows = [(group[0][0] if size == 1 else f"{group[0][0]} …", sum(count for _, count in group)) for group in groups]
    table = _table(title, "", "count", "")
    table.columns[1].justify = "right"
    for name, count in rows:
        table.add_row(name, f"{count:,}", "▇" * round(_BAR * count / max(n for _, n in rows)))
    return table


def _coverage(found: Description) -> Table:
    table = _table("coverage of items by kind of evidence", "", "items", "share", "")
    for one in found.coverage:
        table.add_row(one.modality, f"{one.n_items:,}", f"{one.n_items / found.n_items:.1%}", one.detail)
    return table


def _examples(found: Description) -> Table:
    table = _table("example items, by descending number of interactions", "item", "interactions", "text", "triples")
    table.columns[1].justify = "right"
    for one in found.examples:
        text = one.text if len(one.text) <= 200 else f"{one.text[:200]}…"
        triples = "\n".join(printable(" · ".join(triple)) for triple in one.triples[:3])
        table.add_row(one.item_id, f"{one.n_interactions:,}", text, Text(triples))
    return table
