"""mmrec.nn.encoders.convolutions: equal to our own sparse form where both exist, repeatable, and told by neighbours alone."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torch_geometric.nn import FastRGCNConv

from mmrec.nn.encoders.convolutions import GraphTransformerEncoder, HGTEncoder, RGCNConvEncoder
from mmrec.nn.encoders.knowledge import RGCNEncoder
from mmrec.types import Graph

N_ENTITIES, N_RELATIONS, DIM = 12, 3, 8
ENCODERS: list[Callable[..., nn.Module]] = [
    partial(RGCNConvEncoder, n_bases=2),
    partial(GraphTransformerEncoder, n_heads=2),
    partial(HGTEncoder, n_heads=2),
]


def make_graph(n_entities: int, n_edges: int, n_relations: int = N_RELATIONS) -> Graph:
    """Random triples; the last entity and the last relation have none."""
    generator = torch.Generator().manual_seed(3)
    edge_index = torch.randint(n_entities - 1, (2, n_edges), generator=generator)
    edge_type = torch.randint(n_relations - 1, (n_edges,), generator=generator)
    return Graph(edge_index, edge_type, n_entities, n_relations, torch.tensor([0, 5, -1]))


def make(which: int, graph: Graph, seed: int = 1, n_layers: int = 2, dropout: float = 0.5) -> nn.Module:
    torch.manual_seed(seed)
    return ENCODERS[which](graph, DIM, n_layers=n_layers, dropout=dropout)


def with_weights_of(theirs: nn.Module, ours: RGCNEncoder) -> nn.Module:
    """torch-geometric's R-GCN with the weights of ours."""
    with torch.no_grad():
        theirs.entities.copy_(ours.entities)
        for conv, layer in zip(theirs.layers, ours.layers, strict=True):
            conv.weight.copy_(layer.bases)
            conv.comp.copy_(layer.coefficients)
            conv.root.copy_(layer.loop.weight.T)
            conv.bias.copy_(layer.loop.bias)
    return theirs


@pytest.mark.parametrize("n_edges", [3, 40])
@pytest.mark.parametrize("is_fast", [False, True])
def test_the_same_weights_give_what_our_rgcn_gives_forward_and_backward(n_edges: int, is_fast: bool):
    graph = make_graph(N_ENTITIES, n_edges)
    ours = RGCNEncoder(graph, DIM, n_layers=2, dropout=0.5, n_bases=2).eval()
    theirs = make(0, graph).eval()
    if is_fast:
        theirs.layers = nn.ModuleList(FastRGCNConv(DIM, DIM, 2 * N_RELATIONS, num_bases=2) for _ in range(2))
    with_weights_of(theirs, ours)
    torch.testing.assert_close(theirs(), ours(), atol=1e-5, rtol=0)
    ours().square().sum().backward()
    theirs().square().sum().backward()
    torch.testing.assert_close(theirs.entities.grad, ours.entities.grad, atol=1e-4, rtol=1e-4)
    for conv, layer in zip(theirs.layers, ours.layers, strict=True):
        torch.testing.assert_close(conv.weight.grad, layer.bases.grad, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(conv.comp.grad, layer.coefficients.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("which", range(len(ENCODERS)))
def test_the_same_seed_gives_the_same_bytes_with_two_threads(which: int):
    """Large enough for threads to share the work; most edges meet few entities, so that many gradients are added up."""
    graph, before = make_graph(40, 30_000), torch.get_num_threads()

    def trained() -> list[bytes]:
        encoder = make(which, graph)
        optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            encoder().square().sum().backward()
            optimizer.step()
        return [value.detach().numpy().tobytes() for value in encoder.parameters()]

    torch.set_num_threads(2)
    try:
        first = trained()
        assert all(trained() == first for _ in range(3))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("which", range(len(ENCODERS)))
def test_an_entity_is_told_by_two_steps_and_no_more(which: int):
    """On the path 0 - 1 - 2 - 3, two layers carry what 2 is to 0, against the direction of the edges, and of 3 nothing."""
    graph = Graph(torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([0, 1, 0]), 4, 2, torch.tensor([0]))
    encoder = make(which, graph).eval()
    before, entities = encoder()[0].detach(), encoder.entities.detach().clone()
    changed = []
    for entity in range(4):
        with torch.no_grad():
            encoder.entities.copy_(entities)
            encoder.entities[entity] = torch.randn(DIM, generator=torch.Generator().manual_seed(entity))
            changed.append(not torch.allclose(encoder()[0], before, atol=1e-6))
    assert changed == [False, True, True, False]  # 0 is an item: it has no vector of its own


@pytest.mark.parametrize("which", range(len(ENCODERS)))
def test_checkpoint_holds_parameters_only_and_dropout_only_trains(which: int):
    graph = make_graph(N_ENTITIES, 40)
    encoder, other = make(which, graph, seed=1), make(which, graph, seed=2)
    assert set(encoder.state_dict()) == {name for name, _ in encoder.named_parameters()}
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder.eval()(), other.eval()())
    assert not torch.equal(encoder.train()(), other())
    assert encoder().isfinite().all() and encoder.relation_embeddings.shape == (N_RELATIONS, DIM)


@pytest.mark.parametrize("which", [1, 2])
def test_heads_that_do_not_divide_the_vectors_are_refused(which: int):
    with pytest.raises(ValueError, match=r"kg_encoder.n_heads: expected a divisor of embedding_dim, which is 8, found 3"):
        ENCODERS[which](make_graph(N_ENTITIES, 3), DIM, n_layers=1, dropout=0.0, n_heads=3)
