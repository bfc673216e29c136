"""Convert the metrics of a run to a table."""

from typing import Any

import polars as pl

from mmrec.errors import DataError

_SCHEMA = {"model": pl.String, "metric": pl.String, "mean": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def metrics_table(metrics: dict[str, Any]) -> pl.DataFrame:
    """Return a table `model, metric, mean, low, high` of the content of metrics.json in its order; intervals may be null."""
    intervals = metrics.get("confidence", {})
    rows = [
        (model, metric, mean, *intervals.get(model, {}).get(metric, (None, None)))
        for model, measured in metrics["models"].items()
        for metric, mean in measured.items()
    ]
    try:
        return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"metrics.json: expected numbers by model and metric: {error}") from error
