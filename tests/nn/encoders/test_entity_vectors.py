"""mmrec.nn.encoders.entity_vectors: what literals add to the vectors of entities, in every encoder."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from mmrec.nn.encoders.convolutions import GraphTransformerEncoder, HGTEncoder, RGCNConvEncoder
from mmrec.nn.encoders.entity_vectors import LiteralVectors, literal_vectors
from mmrec.nn.encoders.knowledge import CompGCNEncoder, RGCNEncoder
from mmrec.types import Graph, Literals

DIM = 8
ENCODERS: list[Callable[..., nn.Module]] = [
    CompGCNEncoder,
    RGCNEncoder,
    RGCNConvEncoder,
    partial(GraphTransformerEncoder, n_heads=2),
    partial(HGTEncoder, n_heads=2),
]


@pytest.fixture
def graph() -> Graph:
    """Four entities in a row; the first is an item and has a number, the last has a number and a text of two numbers."""
    present = torch.tensor([[True, False], [True, True]])
    literals = Literals(torch.tensor([0, 3]), torch.tensor([[2.0, 0.0, 0.0], [-1.0, 3.0, 4.0]]), present, torch.tensor([0, 1, 1]))
    return Graph(torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([0, 1, 0]), 4, 2, torch.tensor([0]), literals=literals)


def test_values_and_presence_are_projected_onto_their_entities(graph: Graph):
    assert graph.literals is not None
    module = LiteralVectors(graph.literals, DIM)
    entities = torch.randn(4, DIM)
    assert torch.equal(module(entities), entities)  # nothing is learned yet
    with torch.no_grad():
        module.projection.weight.normal_()
    added = module(entities) - entities
    told = torch.tensor([[2.0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [-1, 3, 4, 1, 1]])
    torch.testing.assert_close(added, told @ module.projection.weight.T)


@pytest.mark.parametrize("make", ENCODERS)
def test_every_encoder_learns_from_literals_also_of_items_and_without_any_is_as_before(make: Callable[..., nn.Module], graph: Graph):
    torch.manual_seed(0)
    encoder = make(graph, DIM, n_layers=1, dropout=0.0)
    encoder()[0].sum().backward()
    of_item = encoder.literals.projection.weight.grad[:, [0, 3]]  # what its own number says
    assert of_item.abs().sum() > 0 and of_item.isfinite().all()
    assert set(encoder.state_dict()) == {name for name, _ in encoder.named_parameters()}
    assert not list(literal_vectors(Graph(graph.edge_index, graph.edge_type, 4, 2, graph.item_entity), DIM).parameters())
