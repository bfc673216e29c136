"""The linear part of a mixture: vectors of known items, and those of new items predicted from content, in separate dimensions."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.models.unit_deviation import unit_deviation


class LinearPart(NamedTuple):
    """The linear part: item vectors, and the function that maps user vectors to those that are multiplied with them."""

    items: Float[Tensor, "n_items dim"]
    users: Callable[[Tensor], Tensor]


def join_predicted(
    items: Float[Tensor, "n_items rank"], predicted: Float[Tensor, "n_items rank_or_0"], known: Bool[Tensor, " n_items"]
) -> LinearPart:
    """Concatenate the vectors of known items and, in separate dimensions, the predicted vectors of new ones, each with unit deviation."""
    if predicted.shape[1] == 0:
        return LinearPart(items, unit_deviation(items))
    of_known = known[:, None].float()
    both = torch.cat([items * of_known, predicted * (1 - of_known)], dim=1)
    scale, scale_predicted = unit_deviation(items), unit_deviation(predicted)
    return LinearPart(both, lambda users: torch.cat([scale(users), scale_predicted(users)], dim=1))
