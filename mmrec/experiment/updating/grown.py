"""Grow the trained model of a run to the users, items, entities and relations of more data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.errors import DamagedCheckpoint
from mmrec.experiment.evidence import Evidence
from mmrec.files.checkpoint import read_checkpoint, write_checkpoint
from mmrec.files.storage import write_json
from mmrec.nn.table_rows import ENTITIES, ITEMS, RELATIONS, USERS, rows_of_tables
from mmrec.tasks.checkpoints import BEST, FolderCheckpointIO, best_checkpoint, checkpoints_in
from mmrec.tasks.task import Task
from mmrec.tasks.updating.growth import Growth, grow_optimizer, grow_weights
from mmrec.types import Graph

_FIRST = "epoch_0000_step_000000"
_MODEL = "model."


class Rows(NamedTuple):
    """The names of users, items, entities and relations in the order of the tables of a run."""

    names: Mapping[str, pl.Series]

    @classmethod
    def of_run(cls, index: Index, graph: Graph | None) -> "Rows":
        """Name the rows of a run's tables."""
        return cls(_names(index, graph))

    def growth(self, evidence: Evidence) -> Growth:
        """Return where the rows of grown data were before."""
        now = _names(evidence.index, evidence.graph)
        return Growth.of_names({kind: (self.names[kind], now[kind]) for kind in now})


def _names(index: Index, graph: Graph | None) -> dict[str, pl.Series]:
    entities, relations = ((), ()) if graph is None else (graph.entities, graph.relations)
    return {
        USERS: index.user_ids,
        ITEMS: index.item_ids,
        ENTITIES: pl.Series(entities, dtype=pl.String),
        RELATIONS: pl.Series(relations, dtype=pl.String),
    }


class Grown(NamedTuple):
    """The weights and the optimizer state of a model with grown tables."""

    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]


def grow_model(task: Task, folder: Path, growth: Growth) -> Grown:
    """Give the new model of a task the weights of a trained one, and return them with the optimizer state.

    Args:
        task: the task with an untrained model of the grown data.
        folder: the checkpoints of the trained model.
        growth: the rows before and now.

    Raises:
        DamagedCheckpoint: the checkpoint is damaged, or of another model.
        ConfigError: the models have other parts.
    """
    state = read_checkpoint(best := best_checkpoint(folder))
    try:
        before = {name.removeprefix(_MODEL): value for name, value in state["state_dict"].items()}
        optimizer_before = state["optimizer_states"][0]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise DamagedCheckpoint(f"{best}: it has no weights and optimizer state: {error}") from error
    tables = rows_of_tables(task.model)
    weights = grow_weights(task.model.state_dict(), before, tables, growth, tuple(task.model.later_state))
    task.model.load_state_dict(weights)
    optimizer = task.configure_optimizers()
    names = {id(parameter): name for name, parameter in task.model.named_parameters()}
    return Grown(weights, grow_optimizer(optimizer_before, optimizer, names, tables, growth))


def write_grown(folder: Path, grown: Grown, metric: str, value: float) -> None:
    """Replace the checkpoints of a training by one of the grown model that was not trained."""
    for path in checkpoints_in(folder):
        FolderCheckpointIO().remove_checkpoint(path)
    state = {"state_dict": {f"{_MODEL}{name}": one for name, one in grown.weights.items()}, "optimizer_states": [dict(grown.optimizer)]}
    write_checkpoint(folder / _FIRST, state)
    write_json(folder / BEST, {"checkpoint": _FIRST, "metric": metric, "value": value})
