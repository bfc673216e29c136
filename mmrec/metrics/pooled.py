"""Metrics of all rows together rather than of users, such as the error over all test ratings."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Pooled(NamedTuple):
    """What was predicted for single rows, and how metrics follow from any of them.

    >>> owners, columns = torch.tensor([0, 1]), torch.tensor([[1.0], [3.0]])
    >>> Pooled(owners, owners, columns, lambda rows: {"mean": rows.mean().item()}, lambda rows: (rows, rows)).values()
    {'mean': 2.0}
    """

    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    columns: Float[Tensor, "n n_columns"]
    metrics: Callable[[Tensor], dict[str, float]]
    """Computes the metrics of some rows of `columns`."""
    events: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Returns the predicted probabilities of events in some rows of `columns`, and which of them happened."""

    def values(self) -> dict[str, float]:
        """Return the metrics of all rows."""
        return self.metrics(self.columns)

    def cpu(self) -> Self:
        """Return a copy on the CPU."""
        return self._replace(user_idx=self.user_idx.cpu(), item_idx=self.item_idx.cpu(), columns=self.columns.cpu())

    def of(self, wanted: Bool[Tensor, " n"]) -> Self:
        """Return the rows where `wanted` is True."""
        return self._replace(user_idx=self.user_idx[wanted], item_idx=self.item_idx[wanted], columns=self.columns[wanted])


def pooled_intervals(by_seed: list[Pooled], seed: int, n_resamples: int = 200) -> dict[str, tuple[float, float]]:
    """Return the 95% percentile bootstrap interval of each metric, the mean over seeds, resampling users with all of their rows.

    Args:
        by_seed: the same rows, as predicted after trainings with several seeds.
        seed: of the resampling.
        n_resamples: the number of resamples.

    >>> owners, columns = torch.tensor([0, 1]), torch.tensor([[2.0], [2.0]])
    >>> same = Pooled(owners, owners, columns, lambda rows: {"mean": rows.mean().item()}, lambda rows: (rows, rows))
    >>> pooled_intervals([same], seed=0)
    {'mean': (2.0, 2.0)}
    """
    _, user = by_seed[0].user_idx.cpu().unique(return_inverse=True)
    n_users, rng, owner = int(user.max()) + 1 if len(user) else 0, np.random.default_rng(seed), user.numpy()
    found: dict[str, list[float]] = {}
    for _ in range(n_resamples if n_users else 0):
        counts = np.bincount(rng.integers(n_users, size=n_users), minlength=n_users)
        rows = torch.from_numpy(np.repeat(np.arange(len(owner)), counts[owner]))
        drawn = [one.metrics(one.columns[rows]) for one in by_seed]
        for name in drawn[0]:
            found.setdefault(name, []).append(float(np.mean([values[name] for values in drawn])))
    ends = {name: np.quantile(values, [0.025, 0.975]) for name, values in found.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
