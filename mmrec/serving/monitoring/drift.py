"""Drift: how far what the service sees now is from what it saw after its start."""

from collections import deque
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float


def population_stability_index(before: Float[np.ndarray, " n_bins"], now: Float[np.ndarray, " n_bins"]) -> float:
    """Return the population stability index of two histograms with the same bins.

    It is the sum over bins of (q − p) · ln(q / p), where p and q are the shares of a bin before and now. By convention, less than 0.1 is
    taken for no change and more than 0.25 for a large one. Half a count is added to every bin, so that empty ones have a logarithm.

    Args:
        before: counts.
        now: counts.

    >>> population_stability_index(np.array([50.0, 50.0]), np.array([50.0, 50.0]))
    0.0
    >>> round(population_stability_index(np.array([50.0, 50.0]), np.array([90.0, 10.0])), 2)
    0.85
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


@final
class Drift:
    """Compares the latest values with the first ones.

    Args:
        n_values: how many values each of both has.
        n_bins: the first values are split into as many bins of equal counts.
    """

    def __init__(self, n_values: int = 5_000, n_bins: int = 10) -> None:
        self._n_values, self._n_bins = n_values, n_bins
        self.start()

    def start(self) -> None:
        """Forget all values: those that follow are the first ones, for example of another model."""
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=self._n_values)

    def add(self, values: Sequence[float]) -> None:
        """Add values, in the order in which they were seen."""
        missing = self._n_values - len(self._first)
        self._first.extend(values[:missing])
        self._latest.extend(values[missing:] if missing > 0 else values)

    def index(self) -> float:
        """Return the population stability index; NaN until there are enough values of both."""
        if len(self._latest) < self._n_values:
            return float("nan")
        edges = np.unique(np.quantile(np.array(self._first), np.linspace(0, 1, self._n_bins + 1)[1:-1]))
        before, now = (
            np.bincount(np.searchsorted(edges, np.array(found)), minlength=len(edges) + 1) for found in (self._first, self._latest)
        )
        return population_stability_index(before.astype(float), now.astype(float))
