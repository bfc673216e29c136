"""mmrec.nn.reweighted: the same product and gradients as a dense matrix, whatever the weights, and a softmax row by row."""

import pytest
import torch

from mmrec.nn.reweighted import ReweightedPropagation, softmax_by_row

ROW, COL = torch.tensor([2, 0, 1, 3, 3, 0, 3, 1]), torch.tensor([0, 2, 3, 1, 1, 3, 0, 3])  # (3, 1) and (1, 3) twice; node 4 has none


def test_equals_the_dense_product_and_its_gradient_for_every_set_of_weights() -> None:
    propagation = ReweightedPropagation(ROW, COL, 5)
    for weights in torch.rand(2, 8):
        dense = torch.zeros(5, 5).index_put((ROW, COL), weights, accumulate=True)
        x = torch.randn(5, 3, requires_grad=True)
        ours = propagation(propagation.values(weights), x)
        torch.testing.assert_close(ours, dense @ x)
        (gradient,) = torch.autograd.grad((ours * torch.arange(15.0).view(5, 3)).sum(), x)
        torch.testing.assert_close(gradient, dense.T @ torch.arange(15.0).view(5, 3))


def test_an_edge_without_one_back_is_refused() -> None:
    with pytest.raises(ValueError, match="an edge back"):
        ReweightedPropagation(torch.tensor([0, 1]), torch.tensor([1, 2]), 3)


def test_softmax_by_row_is_that_of_each_row_however_large() -> None:
    scores, row = torch.tensor([1.0, 1e4, 3.0, 1e4, -2.0]), torch.tensor([2, 0, 2, 0, 3])
    expected = torch.cat([torch.tensor([1.0, 3.0]).softmax(0), torch.tensor([0.5, 1.0])])
    torch.testing.assert_close(softmax_by_row(scores, row, 4)[[0, 2, 1, 4]], expected)


@pytest.mark.usefixtures("two_threads")
def test_gradients_of_a_softmax_are_the_same_bytes_with_two_threads():
    scores, row = torch.randn(100_000, generator=torch.Generator().manual_seed(0)), torch.arange(100_000) % 50
    scores.requires_grad_()
    found = {torch.autograd.grad(softmax_by_row(scores, row, 50).square().sum(), scores)[0].numpy().tobytes() for _ in range(5)}
    assert len(found) == 1
