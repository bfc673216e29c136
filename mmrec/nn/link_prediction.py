"""Link prediction on a knowledge graph: an auxiliary loss that trains an encoder to distinguish true from corrupted triples."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from mmrec.types import Graph


def link_prediction_loss(
    entities: Float[Tensor, "n_entities dim"],
    relations: Float[Tensor, "n_relations dim"],
    triples: Int64[Tensor, "batch 3"],
    negatives: Int64[Tensor, "batch n_negatives"],
) -> Float[Tensor, ""]:
    """Softmax cross-entropy of the true tail against corrupted ones, averaged over the batch; log(1 + n_negatives) for constant scores.

    Triples are (head, relation, tail), scored by DistMult (Yang et al. 2015, eq. 7): sum_d head_d relation_d tail_d.
    """
    head, relation, tail = triples.unbind(1)
    query = F.embedding(head, entities) * F.embedding(relation, relations)  # its backward is far faster than that of indexing
    tails = F.embedding(torch.cat([tail[:, None], negatives], dim=1), entities)
    logits = torch.einsum("bd,bkd->bk", query, tails)
    return F.cross_entropy(logits, torch.zeros_like(tail))


def sample_triples(
    graph: Graph, n: int, n_negatives: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "n 3"], Int64[Tensor, "n n_negatives"]]:
    """Sample `n` triples of the graph with replacement, and for each `n_negatives` random entities as corrupted tails.

    Corrupted triples are not checked against the graph: about one in n_entities / n_tails(head, relation) draws is true as well.
    """
    edge = torch.randint(len(graph.edge_type), (n,), generator=generator)
    head, tail = graph.edge_index[:, edge]
    triples = torch.stack([head, graph.edge_type[edge], tail], dim=1)
    return triples, torch.randint(graph.n_entities, (n, n_negatives), generator=generator)
