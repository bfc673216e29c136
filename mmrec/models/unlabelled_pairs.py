"""Pairs of a user and an item without a label, which models label themselves."""

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix, is_member
from mmrec.types import Interactions


def draw_unlabelled(
    n: int, labelled: Interactions, n_items: int, generator: torch.Generator
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"]]:
    """Draw distinct pairs that are not among the labelled rows; users and items are drawn as often as these have them.

    Args:
        n: the number of pairs to draw; known and repeated ones are left out.
        labelled: the rows with labels.
        n_items: the size of the catalogue.
        generator: the source of randomness.

    Returns:
        The users and the items of at most `n` pairs.
    """
    rows = [torch.randint(len(labelled), (n,), generator=generator) for _ in range(2)]
    keys = torch.unique(labelled.user_idx[rows[0]] * n_items + labelled.item_idx[rows[1]])
    n_users = int(labelled.user_idx.max()) + 1
    known = InteractionMatrix.from_pairs(labelled.user_idx, labelled.item_idx, n_users, n_items).keys()
    keys = keys[~is_member(known, keys)]
    return keys // n_items, keys % n_items
