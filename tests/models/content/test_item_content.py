"""mmrec.models.content.item_content: equal to the dense matrix of content times the tables, sparse and dense parts alike."""

import torch

from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.item_content import ItemContent
from mmrec.testing.checkerboard import all_warm_of_ones_colour, spec_of_colours


def test_equal_to_the_dense_product_with_its_gradient() -> None:
    content = read_content(spec_of_colours(all_warm_of_ones_colour()))
    module = ItemContent(content, 3)
    expected = torch.from_numpy(content.dense()) @ torch.cat(list(module.tables))
    torch.testing.assert_close(module(), expected)
    module().pow(2).sum().backward()
    dense = torch.cat(list(module.tables)).detach().requires_grad_()
    (torch.from_numpy(content.dense()) @ dense).pow(2).sum().backward()
    torch.testing.assert_close(torch.cat([table.grad for table in module.tables]), dense.grad)
    assert all("tables" in name for name in module.state_dict())
