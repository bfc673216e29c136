"""What every collaborative backbone is: item vectors learned from who interacted with what."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Gives the collaborative vectors of all items."""

    @abstractmethod
    def items(self) -> Float[Tensor, "n_items dim"]:
        """The vectors. An item without training interactions has a row too; the model masks it."""

    @abstractmethod
    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        """Sets the free vectors to the leading dimensions of other vectors, at the deviation that they were drawn with."""


def set_table(table: nn.Embedding, start: int, vectors: Float[Tensor, "n rank"], scale: float) -> None:
    """Writes vectors into the rows of a table from `start` on, scaled to the deviation `scale`; dimensions they lack stay as they are."""
    dim = min(table.embedding_dim, vectors.shape[1])
    with torch.no_grad():
        values = vectors[:, :dim]
        table.weight[start : start + len(values), :dim] = values * (scale / values.std().clamp(min=1e-12))


def embedding_table(n_rows: int, embedding_dim: int, scale: float) -> nn.Embedding:
    """An embedding table drawn from N(0, scale²)."""
    table = nn.Embedding(n_rows, embedding_dim)
    nn.init.normal_(table.weight, std=scale)
    return table
