"""mmrec.nn.propagation: equal to dense algebra and to torch-geometric's LGConv, forward and backward; robust as part of a module."""

import copy

import pytest
import torch
from torch_geometric.nn import LGConv

from mmrec.nn.propagation import (
    CsrBuffer,
    PowersPropagation,
    Propagation,
    csr_matrix,
    normalized_bipartite,
    propagate,
    symmetric_propagation,
    transpose,
)

N_USERS, N_ITEMS = 30, 20


@pytest.fixture
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    keys = torch.randperm((N_USERS - 2) * (N_ITEMS - 1), generator=generator)[:150]  # the last two users and the last item are isolated
    return keys // (N_ITEMS - 1), keys % (N_ITEMS - 1)


@pytest.fixture
def adjacency(pairs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return normalized_bipartite(*pairs, N_USERS, N_ITEMS)


def rectangular(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    row, col = torch.tensor([2, 0, 0, 2, 2]), torch.tensor([3, 1, 0, 3, 2])
    return csr_matrix(row, col, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=dtype), (3, 4))


def test_entries_at_the_same_place_are_added_and_the_transpose_is_one():
    matrix = rectangular()
    assert matrix.to_dense().tolist() == [[3, 2, 0, 0], [0, 0, 0, 0], [0, 0, 5, 5]]
    assert torch.equal(transpose(matrix).to_dense(), matrix.to_dense().T)


def test_normalisation_by_hand():
    """User 0 has items 0 (twice in the file) and 1, user 1 has item 1, user 2 and item 2 have nothing."""
    dense = normalized_bipartite(torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 1, 0]), 3, 3).to_dense()
    expected = torch.zeros(6, 6)
    expected[0, 3] = expected[3, 0] = 1 / 2**0.5
    expected[0, 4] = expected[4, 0] = 1 / 2
    expected[1, 4] = expected[4, 1] = 1 / 2**0.5
    torch.testing.assert_close(dense, expected)


def test_no_interactions_give_zeros():
    empty = torch.zeros(0, dtype=torch.int64)
    x = torch.ones(5, 2, requires_grad=True)
    out = symmetric_propagation(normalized_bipartite(empty, empty, 2, 3), x)
    out.sum().backward()
    assert not out.any()
    assert not x.grad.any()


def test_three_layers_equal_lgconv_forward_and_backward(pairs: tuple[torch.Tensor, torch.Tensor], adjacency: torch.Tensor):
    user, item = pairs[0], pairs[1] + N_USERS
    edge_index = torch.stack([torch.cat([user, item]), torch.cat([item, user])])
    ours = torch.randn(N_USERS + N_ITEMS, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    weight = torch.randn(N_USERS + N_ITEMS, 8, generator=torch.Generator().manual_seed(2))
    x, y = ours, theirs
    for _ in range(3):
        x, y = symmetric_propagation(adjacency, x), LGConv()(y, edge_index)
    torch.testing.assert_close(x, y, atol=1e-5, rtol=0)
    (x * weight).sum().backward()
    (y * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_gradients_in_float64(check, adjacency: torch.Tensor):
    matrix = rectangular(torch.float64)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert check(lambda x: propagate(matrix, transpose(matrix), x).square(), (x,))
    x = torch.randn(N_USERS + N_ITEMS, 2, dtype=torch.float64, requires_grad=True)
    assert check(lambda x: symmetric_propagation(adjacency.double(), x), (x,))


def test_module_propagates_both_ways():
    x = torch.randn(4, 2, requires_grad=True)
    out = Propagation(rectangular(), symmetric=False)(x)
    torch.testing.assert_close(out, rectangular().to_dense() @ x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, rectangular().to_dense().T @ torch.ones(3, 2))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_the_mean_of_powers_is_the_mean_over_layers(n: int, adjacency: torch.Tensor):
    module, weight = Propagation(adjacency, symmetric=True), torch.randn(N_USERS + N_ITEMS, 8)
    one = torch.randn(N_USERS + N_ITEMS, 8, requires_grad=True)
    two = one.detach().clone().requires_grad_()
    layers = [two]
    for _ in range(n):
        layers.append(module(layers[-1]))
    mean, expected = module.mean_of_powers(one, n), torch.stack(layers).mean(dim=0)
    torch.testing.assert_close(mean, expected)
    (mean * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(one.grad, two.grad)
    x = torch.randn(N_USERS + N_ITEMS, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: PowersPropagation.apply(adjacency.double(), n, x).square(), (x,))


def test_rows_without_entries_are_zero_and_entries_may_come_last():
    """The kernel of embedding bags takes a bag's end from the next one's beginning."""
    matrix, x = rectangular(), torch.randn(4, 6)
    torch.testing.assert_close(propagate(matrix, transpose(matrix), x), matrix.to_dense() @ x)
    torch.testing.assert_close(propagate(transpose(matrix), matrix, x[:3]), matrix.to_dense().T @ x[:3])
    torch.testing.assert_close(propagate(matrix, transpose(matrix), x.T.contiguous().T), matrix.to_dense() @ x)


def test_powers_of_a_matrix_that_is_not_symmetric_are_refused():
    with pytest.raises(ValueError, match="symmetric"):
        Propagation(rectangular(), symmetric=False).mean_of_powers(torch.ones(4, 2), 1)


def test_bfloat16_autocast_computes_in_float32(adjacency: torch.Tensor):
    x = torch.randn(N_USERS + N_ITEMS, 4, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = symmetric_propagation(adjacency, x)
        out.sum().backward()
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, symmetric_propagation(adjacency, x))
    half = x.detach().bfloat16().requires_grad_()
    symmetric_propagation(adjacency, half).sum().backward()
    assert half.grad.dtype == torch.bfloat16


@pytest.mark.filterwarnings("error")
def test_buffer_follows_its_module_and_stays_out_of_checkpoints(adjacency: torch.Tensor):
    module = Propagation(adjacency, symmetric=True)
    assert module.state_dict() == {}
    x = torch.randn(N_USERS + N_ITEMS, 4)
    expected = module(x)
    twin = copy.deepcopy(module)
    assert torch.equal(twin(x), expected)
    assert twin.csr_t is twin.csr is not module.csr
    assert module.to("meta").csr.values.device.type == "meta"
    assert CsrBuffer(adjacency).bfloat16().matrix.dtype == torch.float32
    assert CsrBuffer(adjacency).double().matrix.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu(adjacency: torch.Tensor):
    x = torch.randn(N_USERS + N_ITEMS, 4)
    module = Propagation(adjacency, symmetric=True)
    expected = module(x)
    with torch.autocast("cuda", torch.bfloat16):
        y = x.cuda().requires_grad_()
        out = module.cuda()(y)
        out.sum().backward()
    torch.testing.assert_close(out.cpu(), expected, atol=1e-5, rtol=1e-5)
    assert y.grad is not None
