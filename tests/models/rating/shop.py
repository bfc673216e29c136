"""Ratings that follow a rule: users and items of two colours, and a deviation of each user and item."""

from functools import cache

import torch

from mmrec.testing.checkerboard import colours, entities_of_colours
from mmrec.types import TEXT, DatasetSpec, Interactions

N_USERS, N_ITEMS = 40, 30


@cache
def truth() -> torch.Tensor:
    """The ratings of all pairs, 1 to 5: about two levels higher for an item of the user's colour."""
    draw = torch.Generator().manual_seed(0)
    user, item = torch.arange(N_USERS), torch.arange(N_ITEMS)
    same = (user[:, None] % 2 == item % 2).float()
    deviation = 0.6 * torch.randn(N_USERS, 1, generator=draw) + 0.6 * torch.randn(N_ITEMS, generator=draw)
    return (2.0 + 2.0 * same + deviation).round().clamp(1, 5)


@cache
def spec() -> DatasetSpec:
    """Half of the pairs, without those of the last user and the last item; text and graph show the colours."""
    known = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(1)) < 0.5
    known[-1], known[:, -1] = False, False
    user_idx, item_idx = known.nonzero().unbind(1)
    train = Interactions(user_idx, item_idx, rating=truth()[known])
    return DatasetSpec(N_USERS, N_ITEMS, train, {TEXT: colours(N_ITEMS)}, entities_of_colours(N_ITEMS))


def held_out() -> torch.Tensor:
    """Whether a pair of a known user and a known item is not in training."""
    held = torch.ones(N_USERS, N_ITEMS, dtype=torch.bool)
    held[spec().train.user_idx, spec().train.item_idx] = False
    held[-1], held[:, -1] = False, False
    return held
