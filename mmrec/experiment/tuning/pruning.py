"""When to stop a trial of a search early: by the median of earlier trials, or by successive halving, on validation metrics by epoch."""

import math
from collections.abc import Sequence
from statistics import median

from mmrec.errors import ConfigError, nearest

NONE, MEDIAN, HALVING = "none", "median", "halving"
PRUNERS = (NONE, MEDIAN, HALVING)
_LEAST_EPOCHS, _LEAST_TRIALS = 2, 3
"""No trial is stopped by the median before its second epoch is over, or before three others have come so far."""
_FIRST_RUNG, _FACTOR = 2, 2


def check_pruner(pruner: str) -> None:
    """Raise ConfigError, with the nearest valid name, if there is no such rule."""
    if pruner not in PRUNERS:
        raise ConfigError(f"tune.pruner: there is no rule `{pruner}`; {nearest(pruner, PRUNERS)}")


def is_hopeless(pruner: str, values: Sequence[float], others: Sequence[Sequence[float]], sign: int) -> bool:
    """Decide after an epoch whether to stop a trial.

    `median`: its best value so far is worse than the median of those of other trials at the same epoch (Golovin et al. 2017, "Google
    Vizier"). `halving`: after 2, 4, 8, … epochs, it is not among the better half of the trials that have come so far, itself included
    (asynchronous successive halving, Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    Args:
        pruner: `none`, `median` or `halving`.
        values: the validation metric of the trial after each of its epochs so far.
        others: likewise of earlier trials.
        sign: 1 if higher is better, -1 if lower is.

    Returns:
        Whether to stop it.
    """
    epoch = len(values)
    if pruner == NONE or not epoch:
        return False
    own, peers = _best(values, sign), [_best(other[:epoch], sign) for other in others if len(other) >= epoch]
    if pruner == MEDIAN:
        return epoch >= _LEAST_EPOCHS and len(peers) >= _LEAST_TRIALS and own < median(peers)
    if not _is_rung(epoch) or not peers:
        return False
    kept = math.ceil((len(peers) + 1) / _FACTOR)
    return sum(peer > own for peer in peers) >= kept


def _best(values: Sequence[float], sign: int) -> float:
    """The best value, as a number of which higher is better; values that are not finite are the worst."""
    return max((sign * value if math.isfinite(value) else -math.inf for value in values), default=-math.inf)


def _is_rung(epoch: int) -> bool:
    while epoch > _FIRST_RUNG and epoch % _FACTOR == 0:
        epoch //= _FACTOR
    return epoch == _FIRST_RUNG
