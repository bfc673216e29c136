"""mmrec.tasks.multi.gradients: the gradients of several losses, and their cosines."""

import pytest
import torch
from torch import nn

from mmrec.tasks.multi.gradients import pairwise_cosines, task_gradients


def test_gradients_of_each_loss() -> None:
    a, b, unused = (nn.Parameter(torch.tensor(values)) for values in ([1.0, 2.0], [3.0], [4.0]))
    losses = torch.stack([(a * torch.tensor([2.0, 0.0])).sum(), a.sum() - b.sum()])
    found = task_gradients(losses, [a, b, unused])
    assert found.tolist() == [[2.0, 0.0, 0.0, 0.0], [1.0, 1.0, -1.0, 0.0]]
    losses.sum().backward()  # the graph is still there


def test_rows_that_are_looked_up_have_dense_gradients() -> None:
    table = nn.Embedding(3, 1, sparse=True)
    found = task_gradients(table(torch.tensor([1, 1])).sum()[None], [table.weight])
    assert found.tolist() == [[0.0, 2.0, 0.0]]


def test_cosines_of_opposite_and_of_no_gradients() -> None:
    gradients = torch.tensor([[1.0, 1.0], [-3.0, -3.0], [0.0, 0.0]])
    assert pairwise_cosines(gradients).tolist() == pytest.approx([-1.0, 0.0, 0.0])
    assert len(pairwise_cosines(gradients[:1])) == 0
