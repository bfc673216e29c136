"""mmrec.nn.backbones.item_table: its vectors are its parameters, all of them."""

import torch

from mmrec.nn.backbones.item_table import ItemTable
from mmrec.types import DatasetSpec, Interactions


def test_vectors_are_the_parameters() -> None:
    spec = DatasetSpec(5, 7, Interactions(torch.tensor([0]), torch.tensor([1])))
    backbone = ItemTable(spec, embedding_dim=3, init_scale=0.1)
    items = backbone.items()
    assert items.shape == (7, 3) and [id(items)] == [id(parameter) for parameter in backbone.parameters()]
