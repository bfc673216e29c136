"""Choosing a baseline's hyper-parameters on the validation part: every point of a grid, fitted on train, best validation mean wins."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from mmrec.baselines.baseline import Baseline
from mmrec.data.sample import EvaluationSet
from mmrec.errors import ConfigError
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.types import DatasetSpec


class Tuned(NamedTuple):
    """A baseline at the best point of its grid."""

    baseline: Baseline
    parameters: dict[str, Any]
    value: float
    """The validation mean that chose it."""


def tune(make: Callable[..., Baseline], grid: dict[str, list[Any]], spec: DatasetSpec, valid: EvaluationSet, metric: str) -> Tuned:
    """Fits `make(**point)` on the training part, for every point of `grid`; the first of equals wins.

    `metric` is like `ndcg@20`. A grid without keys has one point, the defaults. Raises ConfigError for a key without values.
    """
    empty = [name for name, values in grid.items() if not values]
    if empty:
        raise ConfigError(f"baselines: the grid of `{empty[0]}` is empty; give it at least one value")
    best: Tuned | None = None
    for values in itertools.product(*grid.values()):
        parameters = dict(zip(grid, values, strict=True))
        baseline = make(**parameters).fit(spec)
        value = rank_and_evaluate(baseline, valid, [int(metric.rpartition("@")[2])])[metric].mean() or 0.0
        if best is None or value > best.value:
            best = Tuned(baseline, parameters, value)
    return best
