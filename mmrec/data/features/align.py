"""Arrange precomputed vectors by item index."""

import torch

from mmrec.data.interactions.index import Index
from mmrec.types import Features, ItemVectors


def align_vectors(vectors: ItemVectors, index: Index) -> Features:
    """Arrange the vectors by `item_idx`; items without a vector are not `present`."""
    values, present = torch.zeros(index.n_items, vectors.values.shape[1]), torch.zeros(index.n_items, dtype=torch.bool)
    rows = index.item_idx(vectors.item_ids)
    values[rows], present[rows] = torch.from_numpy(vectors.values), True
    return Features(values, present, f"precomputed, {vectors.source}")
