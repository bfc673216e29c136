"""Vectors of items whose inner products are similarities: from frozen features, from a knowledge graph, and from scores."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.types import Features, Graph

FUSED = "fused"
"""The similarity by the model itself: the correlation of the scores of two items over users."""
_GRAPH_DIM = 128


def unit_vectors(values: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"]) -> Float[Tensor, "n_items dim"]:
    """Scale vectors to unit length; items that are not present get the mean of the unit vectors.

    The inner product of a missing item with another one is thus the mean similarity of the latter to all items: to lack a modality
    makes an item neither similar to nor different from others.
    """
    units = F.normalize(values.double(), dim=1)
    there = present & (units.square().sum(dim=1) > 0.5)  # a zero vector has no direction
    mean = units[there].mean(dim=0) if there.any() else units.new_zeros(units.shape[1])
    return torch.where(there[:, None], units, mean).float()


def graph_features(graph: Graph, n_items: int) -> Features:
    """Vectors of the neighbours of items in a knowledge graph, weighted by inverse document frequency, in at most 128 dimensions.

    Neighbours by different relations or directions are different. The dimensions are those of a truncated singular value decomposition,
    which is exact if items have at most 128 different neighbours.
    """
    head, tail = graph.edge_index
    entity, kind = torch.cat([head, tail]), torch.cat([graph.edge_type, graph.edge_type + graph.n_relations])
    neighbour = torch.cat([tail, head]) * 2 * graph.n_relations + kind
    has_entity = graph.item_entity >= 0
    entities, row_of_item = graph.item_entity[has_entity].unique(return_inverse=True)
    row_of_entity = torch.full((graph.n_entities,), -1).index_put_((entities,), torch.arange(len(entities)))
    row = row_of_entity[entity]
    columns, column = neighbour[row >= 0].unique(return_inverse=True)
    row = row[row >= 0]
    vectors, present = torch.zeros(n_items, 1), torch.zeros(n_items, dtype=torch.bool)
    if len(row):
        vectors = torch.zeros(n_items, min(_GRAPH_DIM, len(entities), len(columns)))
        vectors[has_entity] = _principal(row, column, (len(entities), len(columns)), vectors.shape[1])[row_of_item]
        present[has_entity] = torch.bincount(row, minlength=len(entities))[row_of_item] > 0
    return Features(vectors, present, "neighbours")


def _principal(row: Int64[Tensor, " n"], column: Int64[Tensor, " n"], shape: tuple[int, int], dim: int) -> Float[Tensor, "n_rows dim"]:
    """The rows of a sparse matrix of inverse document frequencies in their `dim` principal directions."""
    weight = (1 + shape[0] / torch.bincount(column)).log()[column]
    matrix = torch.sparse_coo_tensor(torch.stack([row, column]), weight.double(), shape, check_invariants=True).coalesce()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left, values, _ = torch.svd_lowrank(matrix, q=dim)
    return (left * values).float()
