"""mmrec.metrics.pooled: metrics over rows, and intervals that resample users with all of their rows."""

import torch

from mmrec.metrics.pooled import Pooled, pooled_intervals


def pooled(values: torch.Tensor, users: torch.Tensor) -> Pooled:
    return Pooled(users, users, values[:, None], lambda rows: {"mean": rows.mean().item()}, lambda rows: (rows[:, 0], rows[:, 0] > 0))


def test_the_interval_is_that_of_users_and_not_of_rows() -> None:
    """Ten users with a hundred equal rows each: rows are not independent, so the interval is as wide as that of ten values."""
    of_user = torch.linspace(0, 1, 10)
    rows = pooled(of_user.repeat_interleave(100), torch.arange(10).repeat_interleave(100))
    ((low, high),) = pooled_intervals([rows], seed=0).values()
    assert abs(rows.values()["mean"] - 0.5) < 1e-6
    assert low < 0.4 and high > 0.6


def test_seeds_are_averaged_and_equal_seeds_give_equal_intervals() -> None:
    values, users = torch.rand(40, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 8
    one, other = pooled(values, users), pooled(values + 2, users)
    alone, both = pooled_intervals([one], seed=3)["mean"], pooled_intervals([one, other], seed=3)["mean"]
    assert both == (alone[0] + 1, alone[1] + 1) or max(abs(a + 1 - b) for a, b in zip(alone, both, strict=True)) < 1e-6
    assert pooled_intervals([one], seed=3)["mean"] == alone


def test_some_rows_and_none() -> None:
    rows = pooled(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 1, 1]))
    assert rows.of(rows.user_idx == 1).values() == {"mean": 2.5}
    assert pooled_intervals([rows.of(rows.user_idx > 5)], seed=0) == {}
