"""Accuracy against diversity: the lists of a run, reranked by several methods with a grid of trade-offs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError
from mmrec.evaluation.measure.evaluate import means
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.evaluation.measure.list_quality import describe_lists
from mmrec.experiment.run.run import Run
from mmrec.files.storage import write_text
from mmrec.metrics.full_ranking import Ranking, evaluate_ranking, rank_users
from mmrec.rerank.chain import rerank_lists, rows_of_users
from mmrec.rerank.reranker import Reranker
from mmrec.rerank.similarity import FUSED

_VALID, _TEST = "val", "test"
_QUALITIES = ("coverage", "novelty", "distance_", "miscalibration_")
"""The measures of lists that are reported besides ndcg; a trailing `_` stands for all similarities or columns."""


class Trial(NamedTuple):
    """One method with one trade-off."""

    method: str
    trade_off: float | None
    """None for methods without one."""
    reranker: Reranker


@dataclass(frozen=True)
class FrontierSettings:
    """What to measure."""

    trials: Sequence[Trial]
    k: int
    """The length of the lists."""
    max_loss: float
    """The largest share of the ndcg of the unchanged lists on the validation part that a chosen trade-off may lose."""


@dataclass(frozen=True)
class Frontier:
    """A table with a row for each method and trade-off.

    Its columns are `method`, `trade_off`, `is_chosen`, and for each part `val/ndcg@k`, `val/coverage@k`, `val/novelty@k`,
    `val/distance_<similarity>@k` and `val/miscalibration_<column>@k`, see `mmrec.evaluation.measure.list_quality`. The row that is chosen
    of each method is that of the largest trade-off with an acceptable loss of ndcg on the validation part.
    """

    table: pl.DataFrame
    folder: Path

    def write(self) -> Path:
        """Write the table to `rerank.csv` in the run folder, and return its path."""
        path = self.folder / "rerank.csv"
        write_text(path, self.table.write_csv())
        return path


def measure_frontier(run: Run, settings: FrontierSettings) -> Frontier:
    """Rerank the validation and test lists of a run's first seed by every method and trade-off, and measure them.

    The history of users is that of the training part. Unchanged lists are those of trade-off 0.

    Raises:
        ConfigError: the items lack what a method needs.
        DataError: the run has no validation part.
    """
    train, valid = run.train, run.interactions("valid")
    sets = {_VALID: EvaluationSet.build(train, valid), _TEST: EvaluationSet.build(train.union(valid), run.interactions("test"))}
    for part, data in sets.items():
        if not len(data.user_idx):
            raise DataError(f"{run.folder / 'split'}: expected users with items in the {part} part, found none")
    columns: dict[str, list[float]] = {}
    for part, data in sets.items():
        for name, values in _measure_part(run, settings, data).items():
            columns[f"{part}/{name}"] = values
    first = {"method": [one.method for one in settings.trials], "trade_off": [one.trade_off for one in settings.trials]}
    table = pl.DataFrame(first | columns, schema_overrides={"trade_off": pl.Float64})
    return Frontier(mark_chosen(table, f"{_VALID}/ndcg@{settings.k}", settings.max_loss), run.folder)


def mark_chosen(table: pl.DataFrame, metric: str, max_loss: float) -> pl.DataFrame:
    """Add `is_chosen`: whether a row has the largest trade-off of its method that loses at most `max_loss` of the metric at trade-off 0.

    Methods without trade-offs have no choice.
    """
    unchanged = pl.col(metric).filter(pl.col("trade_off") == 0).first().over("method")
    kept = pl.col(metric) >= (1 - max_loss) * unchanged
    best = pl.col("trade_off").filter(kept).max().over("method")
    return table.with_columns(is_chosen=(pl.col("trade_off") == best).fill_null(False)).select(
        "method", "trade_off", "is_chosen", pl.exclude("method", "trade_off", "is_chosen")
    )


def _measure_part(run: Run, settings: FrontierSettings, data: EvaluationSet) -> dict[str, list[float]]:
    """By metric, the value of each trial."""
    size = max(settings.k, *(one.reranker.candidates for one in settings.trials))
    best = rank_users(run.scorers.of_users(), data.user_idx, data.seen, size)
    history = rows_of_users(run.train, best.user_idx)
    rows = []
    for trial in settings.trials:
        items = rerank_lists(trial.reranker, best.item_idx, best.scores, history, run.content, settings.k)
        rows.append(_measure_lists(run, settings, Ranking(best.user_idx, items, torch.zeros(items.shape)), data.positives))
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, math.nan) for row in rows] for name in names}


def _measure_lists(run: Run, settings: FrontierSettings, ranking: Ranking, positives: InteractionMatrix) -> dict[str, float]:
    methods = [one.reranker for one in settings.trials]
    similarities = dict.fromkeys([FUSED, *(getattr(one, "similarity", FUSED) for one in methods)])
    categories = {one.column: run.content.categories(one.column) for one in methods if hasattr(one, "column")}
    groups = {f"items.{column}": ItemGroups(one.names, one.dense()) for column, one in categories.items()}
    features = {name: run.content.features(name) for name in similarities}
    described = describe_lists(ranking, run.train, positives, features, None, groups, settings.k)
    accuracy = means(evaluate_ranking(ranking, positives, [settings.k]), "")[f"/ndcg@{settings.k}"]
    kept = {name: value for name, value in described.items() if name.startswith(_QUALITIES)}
    return {f"ndcg@{settings.k}": accuracy} | kept
