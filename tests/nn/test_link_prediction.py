"""mmrec.nn.link_prediction: the loss by hand, the sampler against the graph, and that the two together teach a graph."""

import math

import torch

from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.nn.link_prediction import link_prediction_loss, sample_triples
from mmrec.types import Graph


def grid() -> Graph:
    """Twelve items in a 4 by 3 grid: relation 0 leads to the row (entities 12-15), relation 1 to the column (16-18)."""
    item = torch.arange(12)
    edge_index = torch.cat([torch.stack([item, 12 + item // 3]), torch.stack([item, 16 + item % 3])], dim=1)
    return Graph(edge_index, torch.arange(2).repeat_interleave(12), 19, 2, item)


def test_loss_by_hand():
    """Scores: true tail 1*2*3 = 6, corrupted 1*2*1 = 2 and 1*2*0 = 0."""
    entities, relations = torch.tensor([[1.0], [3.0], [0.0]]), torch.tensor([[5.0], [2.0]])
    loss = link_prediction_loss(entities, relations, torch.tensor([[0, 1, 1]]), torch.tensor([[0, 2]]))
    assert math.isclose(loss.item(), math.log(math.exp(6) + math.exp(2) + 1) - 6, rel_tol=1e-5)


def test_equal_scores_give_chance():
    triples, negatives = sample_triples(grid(), 5, 7, torch.Generator().manual_seed(0))
    loss = link_prediction_loss(torch.ones(19, 4), torch.ones(2, 4), triples, negatives)
    assert math.isclose(loss.item(), math.log(8), rel_tol=1e-5)


def test_samples_are_triples_of_the_graph_and_repeat_with_the_seed():
    graph = grid()
    known = set(zip(graph.edge_index[0].tolist(), graph.edge_type.tolist(), graph.edge_index[1].tolist(), strict=True))
    triples, negatives = sample_triples(graph, 300, 4, torch.Generator().manual_seed(1))
    assert {tuple(row) for row in triples.tolist()} == known
    assert negatives.shape == (300, 4)
    assert set(negatives.unique().tolist()) == set(range(19))
    again = sample_triples(graph, 300, 4, torch.Generator().manual_seed(1))
    assert torch.equal(triples, again[0])
    assert torch.equal(negatives, again[1])


def test_training_learns_every_row_and_column():
    torch.manual_seed(0)
    graph, generator = grid(), torch.Generator().manual_seed(0)
    encoder = CompGCNEncoder(graph, 16, n_layers=1, dropout=0.0)
    for _ in range(200):
        loss = link_prediction_loss(encoder(), encoder.relation_embeddings, *sample_triples(graph, 64, 8, generator))
        gradients = torch.autograd.grad(loss, list(encoder.parameters()), materialize_grads=True)
        with torch.no_grad():
            for parameter, gradient in zip(encoder.parameters(), gradients, strict=True):
                parameter -= gradient
    scores = (encoder()[graph.edge_index[0]] * encoder.relation_embeddings[graph.edge_type]) @ encoder().T
    assert scores.argmax(1).tolist() == graph.edge_index[1].tolist()
