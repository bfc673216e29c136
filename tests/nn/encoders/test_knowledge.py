"""mmrec.nn.encoders.knowledge: the sparse forms equal the papers' sums, edge by edge, and torch-geometric's RGCNConv."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import RGCNConv

from mmrec.nn.encoders.knowledge import CompGCNEncoder, RGCNEncoder
from mmrec.types import Graph

N_ENTITIES, N_RELATIONS, DIM = 12, 3, 6


def make_graph(n_edges: int) -> Graph:
    """Distinct triples, multi-edges and a self-loop possible; the last entity and the last relation have none."""
    keys = torch.randperm((N_ENTITIES - 1) ** 2 * (N_RELATIONS - 1), generator=torch.Generator().manual_seed(3))[:n_edges]
    head, tail, relation = keys % 11, keys // 11 % 11, keys // 121
    return Graph(torch.stack([head, tail]), relation, N_ENTITIES, N_RELATIONS, torch.tensor([0, 5, -1]))


def make_encoders(graph: Graph) -> list[nn.Module]:
    return [CompGCNEncoder(graph, DIM, n_layers=2, dropout=0.5), RGCNEncoder(graph, DIM, n_layers=2, dropout=0.5, n_bases=2)]


def compgcn_by_edge(encoder: CompGCNEncoder, graph: Graph) -> Tensor:
    """The published sums, one message after the other."""
    h, z = encoder.entities * encoder.is_free, encoder.relations
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist(), strict=True))
    for i, layer in enumerate(encoder.layers):
        h = h if i == 0 else h.tanh()
        new = []
        for v in range(N_ENTITIES):
            total = layer.loop(h[v] - z[2 * N_RELATIONS])
            for head, tail, relation in edges:
                if tail == v:
                    weight = (sum(t == tail for _, t, _ in edges) * sum(s == head for s, _, _ in edges)) ** -0.5
                    total = total + layer.incoming(weight * (h[head] - z[relation]))
                if head == v:
                    weight = (sum(s == head for s, _, _ in edges) * sum(t == tail for _, t, _ in edges)) ** -0.5
                    total = total + layer.outgoing(weight * (h[tail] - z[relation + N_RELATIONS]))
            new.append(total / 3)
        h, z = torch.stack(new), layer.relation(z)
    return h


def rgcn_by_pyg(encoder: RGCNEncoder, graph: Graph) -> Tensor:
    """The same weights in torch-geometric's layer, on the graph with explicit inverse edges."""
    edge_index = torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1)
    edge_type = torch.cat([graph.edge_type, graph.edge_type + N_RELATIONS])
    h = encoder.entities * encoder.is_free
    for i, layer in enumerate(encoder.layers):
        conv = RGCNConv(DIM, DIM, 2 * N_RELATIONS, num_bases=2)
        del conv.weight, conv.comp, conv.root, conv.bias
        conv.weight, conv.comp, conv.root, conv.bias = layer.bases, layer.coefficients, layer.loop.weight.T, layer.loop.bias
        h = conv(h if i == 0 else h.relu(), edge_index, edge_type)
    return h


@pytest.mark.parametrize(
    ("n_edges", "which", "reference"), [(40, 0, compgcn_by_edge), (3, 0, compgcn_by_edge), (40, 1, rgcn_by_pyg), (3, 1, rgcn_by_pyg)]
)
def test_equals_reference_forward_and_backward(n_edges: int, which: int, reference):
    graph = make_graph(n_edges)
    ours = make_encoders(graph)[which].eval()
    theirs = copy.deepcopy(ours)
    expected = reference(theirs, graph)
    torch.testing.assert_close(ours(), expected, atol=1e-5, rtol=0)
    ours().square().sum().backward()
    expected.square().sum().backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4, msg=name)


def test_compgcn_relations_follow_the_layers():
    encoder = make_encoders(make_graph(40))[0]
    first, second = (layer.relation.weight for layer in encoder.layers)
    assert encoder.relation_embeddings.shape == (N_RELATIONS, DIM)
    torch.testing.assert_close(encoder.relation_embeddings, encoder.relations[:N_RELATIONS] @ first.T @ second.T)


@pytest.mark.parametrize("which", [0, 1])
def test_an_entity_is_told_by_two_steps_and_no_more(which: int):
    """On the path 0 - 1 - 2 - 3, two layers carry what 2 is to 0, against the direction of the edges, and of 3 nothing."""
    graph = Graph(torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([0, 1, 0]), 4, 2, torch.tensor([0]))
    encoder = make_encoders(graph)[which].eval()
    encoder()[0].sum().backward()
    assert encoder.entities.grad.abs().sum(1).gt(0).tolist() == [False, True, True, False]  # 0 is an item: it has no vector of its own


@pytest.mark.parametrize("which", [0, 1])
def test_a_graph_without_edges_is_finite(which: int):
    encoder = make_encoders(make_graph(0))[which]
    out = encoder()
    out.sum().backward()
    assert out.shape == (N_ENTITIES, DIM)
    assert out.isfinite().all()


@pytest.mark.parametrize("which", [0, 1])
def test_bfloat16_autocast_is_the_same_but_coarser(which: int):
    encoder = make_encoders(make_graph(40))[which].eval()
    with torch.autocast("cpu", torch.bfloat16):
        out = encoder()
        out.float().sum().backward()
    torch.testing.assert_close(out.float(), encoder(), atol=0.05, rtol=0.05)
    assert encoder.entities.grad.isfinite().all()


@pytest.mark.parametrize("which", [0, 1])
def test_checkpoint_holds_parameters_only_and_dropout_only_trains(which: int):
    encoder, other = (make_encoders(make_graph(40))[which] for _ in range(2))
    assert set(encoder.state_dict()) == {name for name, _ in encoder.named_parameters()}
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder.eval()(), other.eval()())
    assert not torch.equal(encoder.train()(), other())
