"""A bottleneck adapter: the map itself at first, and by hand afterwards."""

import torch
from torch import nn
from torch.nn import functional

from mmrec.nn.adapters.bottleneck import BottleneckAdapter


def test_starts_as_the_map_and_adds_a_bottleneck() -> None:
    torch.manual_seed(0)
    base, x = nn.Linear(4, 6), torch.randn(2, 3, 4)
    adapter = BottleneckAdapter(base, 2)
    assert adapter(x).equal(base(x))
    nn.init.normal_(adapter.up.weight)
    y = base(x)
    inner = functional.gelu(y @ adapter.down.weight.T + adapter.down.bias)
    torch.testing.assert_close(adapter(x), y + inner @ adapter.up.weight.T)
