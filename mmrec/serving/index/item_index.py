"""The contract of indexes: the items whose vectors have the largest inner products with a vector."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float, Int64
from torch import Tensor


class ItemIndex(ABC):
    """Finds items by their vectors. It never changes; other vectors have another index."""

    @property
    @abstractmethod
    def n_items(self) -> int:
        """The number of items."""

    @abstractmethod
    def search(
        self,
        vector: Float[Tensor, " dim"],
        k: int,
        excluded: Int64[Tensor, " n"],
        allowed: Bool[Tensor, " n_items"] | None = None,
    ) -> tuple[Float[Tensor, " n_found"], Int64[Tensor, " n_found"]]:
        """Return the scores and item_idx of the best items, best first, ties by item_idx; fewer than `k` only where no more are left.

        Args:
            vector: the vector of a user or a query.
            k: how many items at most.
            excluded: items to leave out; an item may occur several times.
            allowed: the items that may be found; None for all.
        """
