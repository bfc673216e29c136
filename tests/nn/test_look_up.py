"""Rows by number: what indexing gives, gradients to the bit those of `embedding`; and the distinct among numbers."""

import pytest
import torch
import torch.nn.functional as F

from mmrec.nn.look_up import distinct, look_up, rows_of
from tests.parts import drawn


def test_rows_and_gradients_are_those_of_embedding() -> None:
    idx = torch.randint(7, (40, 3), generator=torch.Generator().manual_seed(0))
    ours, theirs = (drawn(7, 5, seed=1).requires_grad_() for _ in range(2))
    assert torch.equal(look_up(ours, idx), theirs[idx])
    of_output = drawn(40, 3, 5, seed=2)
    (ours_grad,) = torch.autograd.grad(look_up(ours, idx), ours, of_output)
    (theirs_grad,) = torch.autograd.grad(F.embedding(idx, theirs), theirs, of_output)
    assert torch.equal(ours_grad, theirs_grad)
    assert look_up(ours, idx[:0]).shape == (0, 3, 5)


def test_distinct_numbers_and_their_places() -> None:
    found, place = distinct(torch.tensor([5, 2, 5, 0]), 7)
    assert found.tolist() == [0, 2, 5] and place.tolist() == [2, 1, 2, 0]
    found, place = distinct(torch.tensor([], dtype=torch.int64), 7)
    assert found.shape == place.shape == (0,)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("shape", [(50,), (50, 4)])
def test_gradients_of_rows_are_the_same_bytes_with_two_threads(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    table, idx = torch.randn(shape, generator=generator).requires_grad_(), torch.randint(50, (100_000,), generator=generator)
    weight = torch.randn(100_000, *shape[1:], generator=generator)
    found = {torch.autograd.grad((rows_of(table, idx) * weight).sum(), table)[0].numpy().tobytes() for _ in range(5)}
    assert len(found) == 1
