"""mmrec.testing.components: as many components as it says, and work enough for two threads."""

import scipy.sparse
import torch

from mmrec.testing.components import N_COMPONENTS, N_ITEMS, N_USERS, spec_of_components

GRAIN, DIM = 2**15, 8
"""Elements from which on torch divides work among threads, and numbers in a vector."""


def test_components_are_apart_and_large() -> None:
    spec = spec_of_components()
    pairs = spec.train.user_idx.numpy(), spec.n_users + spec.train.item_idx.numpy()
    n = spec.n_users + spec.n_items
    graph = scipy.sparse.coo_array((torch.ones(len(spec.train)).numpy(), pairs), shape=(n, n))
    assert scipy.sparse.csgraph.connected_components(graph, directed=False)[0] == N_COMPONENTS
    assert len(torch.unique(spec.train.user_idx * spec.n_items + spec.train.item_idx)) == len(spec.train) > GRAIN / DIM
    assert (torch.bincount(spec.train.user_idx) == N_ITEMS - 1).all() and (torch.bincount(spec.train.item_idx) == N_USERS - 1).all()
    assert len(spec.features) == 2 and spec.graph is not None and spec.words is not None
