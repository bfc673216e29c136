"""The command `mmrec data graph`: print statistics of a dataset's knowledge graph, and export it as GraphML."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.errors import DataError
from mmrec.kg.graph import build_graph, prune, statistics, write_graphml
from mmrec.schemas import GraphCommandConfig
from mmrec.terminal import say, show
from mmrec.types import ITEM_ID, Dataset


@console_output()
def graph_command(cfg: DictConfig) -> dict[str, Any]:
    """Print and return the statistics of the graph (see `mmrec.kg.graph.statistics`), and write it to `output` if given."""
    check(cfg, GraphCommandConfig)
    dataset: Dataset = build(cfg, "data")
    graph = build_graph(dataset, cfg.graph.item_columns, cfg.graph.separator)
    if not graph.network:
        raise DataError(f"{dataset.name} has no triples, and `graph.item_columns` is empty, so there is no graph")
    graph = prune(graph, cfg.graph.min_degree)
    found = statistics(graph, dataset.items[ITEM_ID].to_list())
    show(_overview(dataset.name, found), _relations(found), *([_literals(found)] if found["literals"] else []))
    if cfg.output is not None:
        write_graphml(graph, Path(cfg.output))
        say(f"written: {cfg.output}", stderr=False)
    return found


def _overview(name: str, found: dict[str, Any]) -> Table:
    table = Table("", "count", title=f"Knowledge graph of {name}", title_justify="left")
    table.columns[1].justify = "right"
    for key, value in found.items():
        if isinstance(value, int):
            table.add_row(key.replace("_", " "), f"{value:,}")
    table.add_section()
    for quantile, degree in found["degree_quantiles"].items():
        table.add_row(f"neighbours of an entity, quantile {quantile}", f"{degree:,g}")
    return table


def _relations(found: dict[str, Any]) -> Table:
    table = Table("relation", "triples", "duplicates the inverse of", title="Relations", title_justify="left")
    table.columns[1].justify = "right"
    for relation, count in found["triples_by_relation"].items():
        table.add_row(relation, f"{count:,}", found["inverse_relations"].get(relation, ""))
    return table


def _literals(found: dict[str, Any]) -> Table:
    table = Table("relation", "literals", title="Literals: features of entities", title_justify="left")
    table.columns[1].justify = "right"
    for relation, count in found["literals_by_relation"].items():
        table.add_row(relation, f"{count:,}")
    return table
