"""mmrec.nn.backbones.matrix_factorization: its vectors are its parameters, all of them."""

import torch

from mmrec.nn.backbones.matrix_factorization import MatrixFactorization
from mmrec.types import DatasetSpec, Interactions


def test_vectors_are_the_parameters() -> None:
    spec = DatasetSpec(5, 7, Interactions(torch.tensor([0]), torch.tensor([1])))
    backbone = MatrixFactorization(spec, embedding_dim=3, init_scale=0.1)
    users, items = backbone()
    assert (users.shape, items.shape) == ((5, 3), (7, 3))
    assert {id(users), id(items)} == {id(parameter) for parameter in backbone.parameters()}
    (users[2] @ items[4]).backward()
    assert users.grad.any(dim=1).nonzero().flatten().tolist() == [2]
    torch.testing.assert_close(items.grad[4], users[2])
