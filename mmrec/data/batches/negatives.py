"""Sample negatives: items that a user has not interacted with in training."""

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix, is_member
from mmrec.errors import DataError

_ROUNDS = 50


def sample_rejecting(
    positives: InteractionMatrix,
    user_idx: Int64[Tensor, " users"],
    n: int,
    candidates: Int64[Tensor, " n_candidates"],
    generator: torch.Generator,
) -> Int64[Tensor, "users n"]:
    """Sample `n` negatives per row, uniformly from the `candidates` that the user has not interacted with in training.

    Collisions are redrawn up to 50 times; remaining ones (of users who have nearly all candidates) are drawn from an explicit list.

    Raises:
        DataError: a user has interacted with every candidate.
    """
    keys = positives.keys()
    drawn = candidates[torch.randint(len(candidates), (len(user_idx), n), generator=generator)]
    offset = (user_idx * positives.n_items)[:, None].expand(-1, n)
    collided = is_member(keys, offset + drawn).nonzero(as_tuple=True)
    for _ in range(_ROUNDS):  # only redrawn items can collide again
        if not len(collided[0]):
            return drawn
        again = candidates[torch.randint(len(candidates), (len(collided[0]),), generator=generator)]
        drawn[collided] = again
        still = is_member(keys, offset[collided] + again)
        collided = tuple(index[still] for index in collided)
    for row in is_member(keys, offset + drawn).any(dim=1).nonzero().flatten().tolist():
        free = candidates[~torch.isin(candidates, positives.rows(user_idx[row : row + 1])[1])]
        if not len(free):
            raise DataError(
                f"a user with {len(positives.rows(user_idx[row : row + 1])[1]):,} training items has interacted with all that can be "
                "a negative; leave such users out, or share negatives: data_module.shared_negatives=true"
            )
        drawn[row] = free[torch.randint(len(free), (n,), generator=generator)]
    return drawn


def draw_distinct(n: int, n_drawn: int, generator: torch.Generator) -> Int64[Tensor, " n_drawn"]:
    """Draw `n_drawn` distinct integers below `n`, all sets being equally likely, in time linear in `n_drawn` if it is far below `n`."""
    if 4 * n_drawn > n:
        return torch.randperm(n, generator=generator)[:n_drawn]
    found = torch.empty(0, dtype=torch.int64)
    while len(found) < n_drawn:
        found = torch.cat([found, torch.randint(n, (2 * n_drawn,), generator=generator)]).unique()
    return found[torch.randperm(len(found), generator=generator)[:n_drawn]]
