"""The direction of metrics: whether higher or lower values are better, for model selection, early stopping, tuning and comparisons."""

from collections.abc import Collection
from typing import NamedTuple

from mmrec import plugins

LOWER_IS_BETTER = frozenset({"rmse", "mae", "log_loss", "ece_equal_width", "ece_equal_mass", "calibration_error", "loss"})
"""The metrics of mmrec for which lower is better; for all others higher is, unless a task or a package declares otherwise."""


class Metric(NamedTuple):
    """A metric that a task reports."""

    name: str
    """The name in tables: `ndcg@20`, `rmse`."""
    higher_is_better: bool = True


def sign(name: str, declared_lower: Collection[str] = ()) -> int:
    """Return 1 if higher values of a metric are better and -1 if lower ones are, so that `sign * value` is to be maximised.

    Args:
        name: the name, optionally with part and cutoff, as in `val/ndcg@20`.
        declared_lower: names without part of further metrics for which lower is better, as stored in `metrics.json`.

    >>> sign("val/ndcg@20"), sign("test/rmse"), sign("cost@5", ["cost@5"])
    (1, -1, -1)
    """
    bare = name.rpartition("/")[2]
    base = bare.partition("@")[0]
    return -1 if bare in declared_lower or base in LOWER_IS_BETTER or base in _lower_in_packages() else 1


def _lower_in_packages() -> set[str]:
    """The metrics of packages whose functions have `higher_is_better = False`."""
    return {name for name, metric in plugins.load_metrics().items() if not getattr(metric, "higher_is_better", True)}


def lower_of(metrics: Collection[Metric]) -> list[str]:
    """Return the names of the metrics for which lower is better, in order.

    >>> lower_of([Metric("rmse", higher_is_better=False), Metric("ndcg@20")])
    ['rmse']
    """
    return [metric.name for metric in metrics if not metric.higher_is_better]
