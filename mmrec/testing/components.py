"""Synthetic data with many connected components, on which solvers with random starts or unordered sums are not reproducible."""

import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.testing.checkerboard import spec_of_colours
from mmrec.types import DatasetSpec

N_COMPONENTS, N_USERS, N_ITEMS = 120, 8, 8


def spec_of_components() -> DatasetSpec:
    """In each of 120 components, 8 users have 7 of 8 items: enough rows for threads to share the work of a large batch.

    The items have the content of the checkerboard.
    """
    users = torch.arange(N_COMPONENTS * N_USERS).repeat_interleave(N_ITEMS - 1)
    place = (torch.arange(len(users)) % (N_ITEMS - 1) + users + 1) % N_ITEMS  # all except one
    owned = InteractionMatrix.from_pairs(users, users // N_USERS * N_ITEMS + place, N_COMPONENTS * N_USERS, N_COMPONENTS * N_ITEMS)
    return spec_of_colours(owned)
