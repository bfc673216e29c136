"""What every fusion is: modality tokens of an item in, one item vector out."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Turns the modality tokens of items into one vector each, heeding only the tokens that are present.

    The contract that tests hold every fusion to: the value of an absent token changes nothing, items are independent of one another,
    and an item with no token at all gets a finite vector.
    """

    @abstractmethod
    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        """The item vectors, and the mass each token had in them: rows sum to 1, or are all zero where no token is present."""


def masked_mean(values: Float[Tensor, "n modalities dim"], weights: Float[Tensor, "n modalities"]) -> Float[Tensor, "n dim"]:
    """Sum over tokens of weight times value."""
    return torch.einsum("nm,nmd->nd", weights, values)


def uniform_mass(present: Bool[Tensor, "n modalities"]) -> Float[Tensor, "n modalities"]:
    """Equal mass for every present token of an item."""
    mask = present.float()
    return mask / mask.sum(dim=1, keepdim=True).clamp(min=1)


def masked_softmax(logits: Float[Tensor, "n modalities"], present: Bool[Tensor, "n modalities"]) -> Float[Tensor, "n modalities"]:
    """Softmax over the present tokens; all zero, not NaN, where there is none."""
    masked = logits.masked_fill(~present, torch.finfo(logits.dtype).min)
    return masked.softmax(dim=1) * present
