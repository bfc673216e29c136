"""Calibration of predicted distributions of ratings."""

from jaxtyping import Float
from torch import Tensor

from mmrec.metrics.click import ece_equal_mass

_N_BINS = 10


def rating_calibration_error(
    above: Float[Tensor, "n n_levels_minus_1"], ratings: Float[Tensor, " n"], levels: Float[Tensor, " n_levels"]
) -> float:
    """The calibration error of the events "the rating is above level k", each over ten bins of equally many rows; the mean over k.

    >>> import torch
    >>> levels, ratings = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0, 2.0, 2.0])
    >>> round(rating_calibration_error(torch.full((4, 1), 0.5), ratings, levels), 4)  # 3 of 4 are above 1
    0.25

    Args:
        above: the predicted probability that a rating is above each level but the highest.
        ratings: the true ratings.
        levels: the levels of the scale, ascending.
    """
    errors = [ece_equal_mass(above[:, k].contiguous(), ratings > levels[k], _N_BINS) for k in range(above.shape[1])]
    return sum(errors) / len(errors)
