"""The interface of fusions: the modality tokens of an item are combined into one item vector."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Combines the modality tokens of items into one vector each, using only the tokens that are present.

    Tests verify for every fusion: the values of absent tokens have no effect, items are independent of each other, and items without any
    token get a finite vector.
    """

    @abstractmethod
    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        """The item vectors, and the mass of each token in them: rows sum to 1, or are zero if no token is present."""


def masked_mean(values: Float[Tensor, "n modalities dim"], weights: Float[Tensor, "n modalities"]) -> Float[Tensor, "n dim"]:
    """The weighted sum over tokens."""
    return torch.einsum("nm,nmd->nd", weights, values)


def uniform_mass(present: Bool[Tensor, "n modalities"]) -> Float[Tensor, "n modalities"]:
    """Equal mass for all present tokens of an item."""
    mask = present.float()
    return mask / mask.sum(dim=1, keepdim=True).clamp(min=1)


def masked_softmax(logits: Float[Tensor, "n modalities"], present: Bool[Tensor, "n modalities"]) -> Float[Tensor, "n modalities"]:
    """Softmax over the present tokens; zero rather than NaN if there are none."""
    masked = logits.masked_fill(~present, torch.finfo(logits.dtype).min)
    return masked.softmax(dim=1) * present
