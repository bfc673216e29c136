"""mmrec.tasks.row_wise_adagrad: its definition by hand, sparse as dense, and rows that nobody asked for left alone to the bit."""

import copy

import pytest
import torch
from torch import Tensor, nn

from mmrec.tasks.row_wise_adagrad import RowWiseAdagrad


def tables(sparse: bool) -> tuple[nn.Embedding, RowWiseAdagrad]:
    table = nn.Embedding(50, 6, sparse=sparse)
    nn.init.normal_(table.weight, generator=torch.Generator().manual_seed(0))
    return table, RowWiseAdagrad(table.parameters(), lr=0.3, eps=1e-8, weight_decay=0.0)


def descend(table: nn.Embedding, optimizer: RowWiseAdagrad, steps: list[Tensor]) -> Tensor:
    for rows in steps:
        optimizer.zero_grad()
        (table(rows).square().sum(dim=1) * torch.arange(1.0, len(rows) + 1)).sum().backward()
        optimizer.step()
    return table.weight.detach()


def test_two_steps_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([[1.0, 1.0], [5.0, 5.0]]))
    optimizer = RowWiseAdagrad([weight], lr=0.5, eps=1e-12, weight_decay=0.0)
    for grad in ([[3.0, 1.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 4.0]]):
        weight.grad = torch.tensor(grad)
        optimizer.step()
    first = 5**0.5  # (9 + 1) / 2
    second = 7**0.5  # 5 + 4 / 2
    expected = torch.tensor([[1 - 1.5 / first - 1 / second, 1 - 0.5 / first], [5.0, 5 - 2 / 8**0.5]])
    torch.testing.assert_close(weight.detach(), expected)
    torch.testing.assert_close(optimizer.state[weight]["sum"], torch.tensor([7.0, 8.0]))


def test_sparse_gradients_give_what_dense_ones_give_and_other_rows_stay_to_the_bit() -> None:
    steps = [torch.tensor(rows) for rows in ([3, 7, 7, 3, 49], [7, 0], [0, 3, 12])]  # rows repeat within a step, and from step to step
    start = tables(sparse=False)[0].weight.detach().clone()
    dense, sparse = (descend(*tables(sparse), steps) for sparse in (False, True))
    touched = torch.cat(steps).unique()
    torch.testing.assert_close(sparse, dense, atol=1e-6, rtol=1e-6)
    untouched = torch.ones(50, dtype=torch.bool).index_fill(0, touched, False)
    assert torch.equal(sparse[untouched], start[untouched]) and torch.equal(dense[untouched], start[untouched])
    assert (sparse[touched] != start[touched]).all()


def test_its_state_is_one_number_a_row_and_survives_a_checkpoint() -> None:
    steps = [torch.tensor([1, 2]), torch.tensor([2, 3])]
    table, optimizer = tables(sparse=True)
    descend(table, optimizer, steps[:1])
    assert [value.shape for value in optimizer.state[table.weight].values()] == [(50,)]
    twin, other = tables(sparse=True)
    twin.load_state_dict(table.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # which shares its tensors
    assert torch.equal(descend(twin, other, steps[1:]), descend(table, optimizer, steps[1:]))


def test_vectors_have_an_accumulator_an_element_and_more_dimensions_one_a_row() -> None:
    vector, cube = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2, 2))
    optimizer = RowWiseAdagrad([vector, cube], lr=1.0, eps=1e-12, weight_decay=0.0)
    vector.grad, cube.grad = torch.tensor([4.0, -2.0, 0.0]), torch.tensor([[[2.0, 2.0], [2.0, 2.0]], [[3.0, 1.0], [1.0, 1.0]]])
    optimizer.step()
    torch.testing.assert_close(vector.detach(), torch.tensor([-1.0, 1.0, 0.0]))
    torch.testing.assert_close(cube.detach()[:, 0, 0], torch.tensor([-1.0, -3 / 3**0.5]))


def test_what_it_refuses() -> None:
    parameter = [nn.Parameter(torch.zeros(1))]
    with pytest.raises(ValueError, match="update every row"):
        RowWiseAdagrad(parameter, lr=0.1, eps=1e-8, weight_decay=0.1)
    with pytest.raises(ValueError, match="eps"):
        RowWiseAdagrad(parameter, lr=0.1, eps=0.0, weight_decay=0.0)
