"""The interface of collaborative backbones: item vectors learned from interactions."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Computes the collaborative vectors of all items."""

    @abstractmethod
    def items(self) -> Float[Tensor, "n_items dim"]:
        """The item vectors. Items without training interactions have a row as well, which the model masks."""

    @abstractmethod
    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        """Initialise the free vectors with the leading dimensions of other vectors, rescaled to the initial standard deviation."""


def set_table(table: nn.Embedding, start: int, vectors: Float[Tensor, "n rank"], scale: float) -> None:
    """Copy vectors to the rows of a table from `start` on, rescaled to the standard deviation `scale`; missing dimensions are unchanged."""
    dim = min(table.embedding_dim, vectors.shape[1])
    with torch.no_grad():
        values = vectors[:, :dim]
        table.weight[start : start + len(values), :dim] = values * (scale / values.std().clamp(min=1e-12))


def embedding_table(n_rows: int, embedding_dim: int, scale: float) -> nn.Embedding:
    """An embedding table initialised from N(0, scale²)."""
    table = nn.Embedding(n_rows, embedding_dim)
    nn.init.normal_(table.weight, std=scale)
    return table
