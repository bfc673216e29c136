"""What every collaborative backbone is: vectors of users and items learned from who interacted with what."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Gives the collaborative vectors of all users and all items."""

    @abstractmethod
    def forward(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """The vectors of users and of items. An item without training interactions has a row too; the model masks it."""


def embedding_table(n_rows: int, embedding_dim: int, scale: float) -> nn.Embedding:
    """An embedding table drawn from N(0, scale²)."""
    table = nn.Embedding(n_rows, embedding_dim)
    nn.init.normal_(table.weight, std=scale)
    return table
