"""Data that fall apart into many components: where solvers that start anywhere, or add up in any order, do not repeat themselves."""

import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.testing.checkerboard import spec_of_colours
from mmrec.types import DatasetSpec

N_COMPONENTS, N_USERS, N_ITEMS = 120, 8, 8


def spec_of_components() -> DatasetSpec:
    """In each of 120 components 8 users have 7 of 8 items: enough rows that threads share the work of a large batch.

    The items have content of all kinds, as on the checkerboard.
    """
    users = torch.arange(N_COMPONENTS * N_USERS).repeat_interleave(N_ITEMS - 1)
    place = (torch.arange(len(users)) % (N_ITEMS - 1) + users + 1) % N_ITEMS  # all but one
    owned = InteractionMatrix.from_pairs(users, users // N_USERS * N_ITEMS + place, N_COMPONENTS * N_USERS, N_COMPONENTS * N_ITEMS)
    return spec_of_colours(owned)
