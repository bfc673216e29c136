"""Item-item graphs: equal to dense algebra, whatever the chunk; ties, absent features, gradients of learned weights, checkpoints."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import mmrec.nn.item_graph
from mmrec.nn.item_graph import LearnedGraph, binary_graph, cosine_graph, nearest_items

N, K = 30, 4


@pytest.fixture
def vectors() -> Tensor:
    return torch.randn(N, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()


PRESENT = torch.arange(N) % 5 != 2


def dense_graph(vectors: Tensor, present: Tensor, k: int, binary: bool) -> Tensor:
    """What the papers define, with a full matrix of similarities (Zhang et al. 2021, section 3.2)."""
    unit = F.normalize(vectors)
    similarity = (unit @ unit.T).masked_fill(~present, -torch.inf)
    kept = torch.zeros_like(similarity).scatter(1, similarity.topk(k).indices, 1.0) * present[:, None]
    weight = torch.where(kept > 0, similarity.clamp(min=0), 0.0)
    weight = (weight > 0).to(weight) if binary else weight
    degree = weight.sum(dim=1)
    scale = torch.where(degree > 0, degree.rsqrt(), 0.0)
    return scale[:, None] * weight * scale


@pytest.mark.parametrize("similarities", [1, 3 * N, 1 << 24])
@pytest.mark.parametrize("binary", [False, True])
def test_equal_to_dense_algebra_in_any_chunks(vectors: Tensor, binary: bool, similarities: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmrec.nn.item_graph, "_SIMILARITIES", similarities)
    graph = (binary_graph if binary else cosine_graph)(vectors, PRESENT, K)
    torch.testing.assert_close(graph.to_dense(), dense_graph(vectors, PRESENT, K, binary), atol=1e-6, rtol=1e-5)


def test_no_more_similarities_than_a_chunk_are_in_memory(vectors: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, highest = [], mmrec.nn.item_graph._highest
    monkeypatch.setattr(mmrec.nn.item_graph, "_SIMILARITIES", 7 * N)
    monkeypatch.setattr(mmrec.nn.item_graph, "_highest", lambda scores, k: (seen.append(scores.numel()), highest(scores, k))[1])
    nearest_items(vectors, K)
    assert len(seen) == 5 and max(seen) == 7 * N


def test_by_hand() -> None:
    """Items 0 and 1 point the same way, 2 is at 60° of both, 3 is opposite, 4 has no feature."""
    vectors = torch.tensor([[2.0, 0.0], [5.0, 0.0], [1.0, 3**0.5], [-1.0, 0.0], [9.0, 9.0]])
    present = torch.tensor([True, True, True, True, False])
    assert nearest_items(vectors[:4], 2).tolist() == [[0, 1], [0, 1], [0, 2], [2, 3]]  # of 0 and 1, equally near to 2, the first
    graph = cosine_graph(vectors, present, 2).to_dense()  # degrees 2, 2, 1.5, 1 (3 with 2: cosine -½, taken for zero)
    assert graph[0].tolist() == pytest.approx([0.5, 0.5, 0, 0, 0])
    assert graph[2].tolist() == pytest.approx([0.5 / 3**0.5, 0, 1 / 1.5, 0, 0])
    assert graph[3].tolist() == [0, 0, 0, 1, 0]
    assert not graph[4].any() and not graph[:, 4].any()
    assert binary_graph(vectors, present, 2).to_dense()[2].tolist() == pytest.approx([0.5, 0, 0.5, 0, 0])


def test_equal_items_are_neighbours_in_the_order_of_their_index() -> None:
    assert nearest_items(torch.ones(6, 3), 2).tolist() == [[0, 1]] * 6
    assert nearest_items(torch.ones(2, 3), 9).tolist() == [[0, 1]] * 2
    with pytest.raises(ValueError, match="at least 1, found 0"):
        nearest_items(torch.ones(2, 3), 0)


def test_a_learned_graph_has_the_values_and_the_gradients_of_dense_algebra(vectors: Tensor) -> None:
    graph = LearnedGraph(PRESENT, K)
    graph.rebuild(vectors)
    x = torch.randn(N, 3, generator=torch.Generator().manual_seed(1))
    goal = torch.randn(N, 3, generator=torch.Generator().manual_seed(2))
    found = []
    for product in (graph, lambda v, y: dense_graph(v, PRESENT, K, binary=False) @ y):
        inputs = vectors.clone().requires_grad_(), x.clone().requires_grad_()
        value = (product(*inputs) * goal).sum()
        found.append((value, *torch.autograd.grad(value, inputs)))
    for ours, dense in zip(*found, strict=True):
        torch.testing.assert_close(ours, dense, atol=1e-5, rtol=1e-4)
    assert not found[0][1][~PRESENT].any()


def test_a_learned_graph_keeps_its_edges_until_rebuilt_and_in_a_checkpoint(vectors: Tensor) -> None:
    graph, other = LearnedGraph(PRESENT, K), torch.randn(N, 5, generator=torch.Generator().manual_seed(3))
    graph.rebuild(vectors)
    kept, x = graph(other, vectors), vectors
    copied, loaded = copy.deepcopy(graph), LearnedGraph(PRESENT, K)
    loaded.load_state_dict(graph.state_dict())
    graph.rebuild(other)
    assert not torch.equal(graph(other, x), kept)
    assert torch.equal(copied(other, x), kept) and torch.equal(loaded(other, x), kept)
