"""Prefix tuning of encoders: trained vectors that every token can attend to, in every tuned layer (Li & Liang 2021).

The original stores the prefix in the key-value cache of a decoder. An encoder has no such cache, so a prefix there would have no effect.
Here the prefix occupies positions in front of the tokens: at the input of every tuned layer the states at these positions are replaced by
the layer's own trained vectors, whose keys and values the layer computes with its own weights (as in P-Tuning v2, Liu et al. 2022).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_INIT_SCALE = 0.02


class LayerPrefix(nn.Module):
    """The prefix vectors of one layer. Register `replace` as its forward pre-hook.

    Args:
        n_tokens: the number of vectors.
        dim: the dimension of the hidden states.
    """

    def __init__(self, n_tokens: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(_INIT_SCALE * torch.randn(n_tokens, dim))

    def forward(self, states: Float[Tensor, "batch prefix_and_tokens dim"]) -> Float[Tensor, "batch prefix_and_tokens dim"]:
        """The states with this prefix at their first positions."""
        prefix = self.vectors.to(states.dtype).expand(len(states), -1, -1)
        return torch.cat([prefix, states[:, self.vectors.shape[0] :]], dim=1)

    def replace(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs of a layer with this prefix in the hidden states, which come first."""
        return self(inputs[0]), *inputs[1:]
