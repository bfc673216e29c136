"""Bottleneck adapters (Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", ICML)."""

from typing import cast

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class BottleneckAdapter(nn.Module):
    """A linear map, or another module, followed by a residual bottleneck: `y + W_up gelu(W_down y)` with `y` the output of the map.

    Placed on the outputs of the attention and feed-forward sublayers, before their residual connections (section 2.1, figure 2). `W_up` is
    initialised with zeros, so that the adapted model starts as the original one.

    Args:
        base: the linear map, or another module, whose own weights the caller freezes.
        width: the inner dimension of the bottleneck.
        dim: the dimension of the output. None: that of the linear map.
    """

    def __init__(self, base: nn.Module, width: int, dim: int | None = None) -> None:
        super().__init__()
        self.base = base
        size = cast("nn.Linear", base).out_features if dim is None else dim
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Float[Tensor, "*n in_features"]) -> Float[Tensor, "*n out_features"]:
        """The adapted output."""
        y = self.base(x)
        adapted: Tensor = y + self.up(F.gelu(self.down(y)))
        return adapted
