"""The tables that a run reads and gives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError
from mmrec.experiment.run.ids import positions_of
from mmrec.experiment.run_folder.files import read_table
from mmrec.types import ITEM_ID, TIMESTAMP, USER_ID

_METRICS = {"model": pl.String, "metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def masked(
    scores: Float[Tensor, "batch n_items"], seen: tuple[Tensor, Tensor] | None, inside: Bool[Tensor, " n_items"] | None
) -> Float[Tensor, "batch n_items"]:
    """Return the scores with -inf for items that are seen or not among the candidates `inside`, in place."""
    if seen is not None:
        scores[seen] = -torch.inf
    if inside is not None:
        scores[:, ~inside] = -torch.inf
    return scores


def empty_table(first: str, last: str) -> pl.DataFrame:
    """Return a table of ranked items without rows."""
    return pl.DataFrame(schema={first: pl.String, "rank": pl.Int64, last: pl.String, "score": pl.Float32})


def ranked_table(names: pl.Series, item_ids: pl.Series, values: Float[Tensor, "n k"], item_idx: Int64[Tensor, "n k"]) -> pl.DataFrame:
    """Return `user_id, rank, item_id, score` of the items of each row, best first, without those of score -inf.

    Args:
        names: the names of the rows.
        item_ids: the ids of all items.
        values: the scores of the items of each row.
        item_idx: the items of each row.
    """
    row, place = (values > -torch.inf).nonzero().unbind(1)
    return pl.DataFrame(
        {
            USER_ID: names.gather(row.numpy()),
            "rank": (place + 1).numpy(),
            ITEM_ID: item_ids.gather(item_idx[row, place].numpy()),
            "score": values[row, place].numpy(),
        }
    )


def read_interactions(folder: Path, parts: Sequence[str], until: int | None, user_ids: pl.Series, item_ids: pl.Series) -> InteractionMatrix:
    """Read the interactions of some parts of a split.

    Args:
        folder: the folder of the split.
        parts: the names of the parts.
        until: the time in seconds UTC until which interactions are read; None for all.
        user_ids: the users of the run, in order.
        item_ids: its items, in order.
    """
    names = (USER_ID, ITEM_ID) if until is None else (USER_ID, ITEM_ID, TIMESTAMP)
    rows = pl.concat([read_table(folder / f"{part}.parquet", *names).select(names) for part in parts])
    rows = rows if until is None else rows.filter(pl.col(TIMESTAMP) <= until)
    users = positions_of(rows[USER_ID], user_ids, f"{folder} has other users than users.parquet")
    items = positions_of(rows[ITEM_ID], item_ids, f"{folder} has other items than items.parquet")
    return InteractionMatrix.from_pairs(users, items, len(user_ids), len(item_ids))


def pairs_table(user_ids: pl.Series, item_ids: pl.Series, scores: Float[Tensor, "n_users n_items"]) -> pl.DataFrame:
    """Return `user_id, item_id, score` of all pairs, user after user."""
    return pl.DataFrame(
        {
            USER_ID: user_ids.gather([row for row in range(len(user_ids)) for _ in range(len(item_ids))]),
            ITEM_ID: pl.concat([item_ids] * len(user_ids)) if len(user_ids) else item_ids.clear(),
            "score": scores.flatten().numpy(),
        }
    )


def metrics_table(metrics: dict[str, Any]) -> pl.DataFrame:
    """Return a table `model, metric, mean, low, high` of the content of metrics.json in its order; intervals may be null."""
    intervals = metrics.get("confidence", {})
    rows = [
        (model, metric, mean, *intervals.get(model, {}).get(metric, (None, None)))
        for model, measured in metrics["models"].items()
        for metric, mean in measured.items()
    ]
    try:
        return pl.DataFrame(rows, schema=_METRICS, orient="row")
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"metrics.json: expected numbers by model and metric: {error}") from error
