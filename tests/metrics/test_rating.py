"""mmrec.metrics.rating: hand-worked values and single precision's limits."""

import math

import pytest
import torch

from mmrec.metrics.rating import mae, rmse


def test_by_hand() -> None:
    scores, ratings = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 4.0, 4.0])
    assert rmse(scores, ratings) == pytest.approx(math.sqrt(5 / 3), abs=1e-15)
    assert mae(scores, ratings) == 1.0


def test_without_ratings_there_is_no_error() -> None:
    assert math.isnan(rmse(torch.empty(0), torch.empty(0))) and math.isnan(mae(torch.empty(0), torch.empty(0)))


def test_a_million_small_errors_are_summed_in_double_precision() -> None:
    ratings = torch.zeros(1_000_000)
    assert mae(ratings + 0.1, ratings) == pytest.approx(float(torch.tensor(0.1)), abs=1e-12)
