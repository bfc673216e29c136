"""Which way each metric is better: the one place that says so, for selection, early stopping, tuning and every comparison."""

from collections.abc import Collection
from typing import NamedTuple

from mmrec import plugins

LOWER_IS_BETTER = frozenset({"rmse", "mae", "log_loss", "ece_equal_width", "ece_equal_mass", "loss"})
"""Of the metrics of mmrec; of all others a higher value is better, unless a task or the metric of a package declares it otherwise."""


class Metric(NamedTuple):
    """A metric that a task measures."""

    name: str
    """As tables call it: `ndcg@20`, `rmse`."""
    higher_is_better: bool = True


def sign(name: str, declared_lower: Collection[str] = ()) -> int:
    """Return 1 where a higher value of a metric is better and -1 where a lower one is, so that `sign * value` is always to be maximised.

    Args:
        name: a bare name, or one with its part and cutoff as in `val/ndcg@20`.
        declared_lower: bare names of further metrics of which a lower value is better, as `metrics.json` keeps them.

    >>> sign("val/ndcg@20"), sign("test/rmse"), sign("cost@5", ["cost@5"])
    (1, -1, -1)
    """
    bare = name.rpartition("/")[2]
    base = bare.partition("@")[0]
    return -1 if bare in declared_lower or base in LOWER_IS_BETTER or base in _lower_in_packages() else 1


def _lower_in_packages() -> set[str]:
    """The metrics of other packages whose functions say `higher_is_better = False`."""
    return {name for name, metric in plugins.load_metrics().items() if not getattr(metric, "higher_is_better", True)}


def lower_of(metrics: Collection[Metric]) -> list[str]:
    """Return the names of the metrics of which a lower value is better, in their order.

    >>> lower_of([Metric("rmse", higher_is_better=False), Metric("ndcg@20")])
    ['rmse']
    """
    return [metric.name for metric in metrics if not metric.higher_is_better]
