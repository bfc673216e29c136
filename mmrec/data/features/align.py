"""Vectors that were computed elsewhere, in the order of the items' indices."""

import torch

from mmrec.data.interactions.index import Index
from mmrec.types import Features, ItemVectors


def align_vectors(vectors: ItemVectors, index: Index) -> Features:
    """The vectors in the order of `item_idx`; who has none is not present."""
    values, present = torch.zeros(index.n_items, vectors.values.shape[1]), torch.zeros(index.n_items, dtype=torch.bool)
    rows = index.item_idx(vectors.item_ids)
    values[rows], present[rows] = torch.from_numpy(vectors.values), True
    return Features(values, present, f"precomputed, {vectors.source}")
