"""What computes the vector of a user from few items."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Adaptation(nn.Module, ABC):
    """Adapts what is learned from all users to one user, given few of their items (the support).

    Args:
        embedding_dim: the size of vectors.
        max_given: the largest number of items of a user in training: from 1 to `max_given` are drawn, and the others are predicted.
        n_negatives: the number of items that the user's items are contrasted with.

    Raises:
        ValueError: a number is invalid.
    """

    def __init__(self, embedding_dim: int, max_given: int, n_negatives: int) -> None:
        super().__init__()
        if max_given < 1 or n_negatives < 1:
            raise ValueError(f"max_given, n_negatives: expected at least 1, found {max_given} and {n_negatives}")
        self.embedding_dim, self.max_given, self.n_negatives = embedding_dim, max_given, n_negatives

    @abstractmethod
    def forward(self, support: Float[Tensor, "n dim"], pool: Float[Tensor, "n_negatives dim"]) -> Float[Tensor, "n dim"]:
        """Return the unit vectors of users.

        Args:
            support: the mean of the unit vectors of each user's items.
            pool: the unit vectors of the items to contrast with.
        """
