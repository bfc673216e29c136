"""The interface of reranking methods, and what they are given: the candidates of users, and vectors and categories of items."""

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.rerank.item_categories import ItemCategories


class Pool(NamedTuple):
    """The candidates of some users, best first."""

    item_idx: Int64[Tensor, "n_users m"]
    """-1 after a user's last candidate."""
    relevance: Float64[Tensor, "n_users m"]
    """Scores scaled from 1 for a user's best candidate to 0 for the last."""
    history: InteractionMatrix
    """The items that each of these users had before."""

    @property
    def available(self) -> Bool[Tensor, "n_users m"]:
        """Whether a position holds a candidate."""
        return self.item_idx >= 0


class ItemContent(Protocol):
    """What is known of the items of a catalogue."""

    def vectors(self, similarity: str) -> Float[Tensor, "n_items dim"]:
        """Vectors whose inner products are similarities, see `mmrec.rerank.similarity.unit_vectors`. Raises ConfigError for others."""

    def categories(self, column: str) -> ItemCategories:
        """The categories of the items by a column. Raises ConfigError, naming the nearest one, if there is none of this name."""


class Reranker(ABC):
    """A method that chooses and orders items among the best candidates of each user.

    Args:
        candidates: the number of best items of each user to choose from.
    """

    def __init__(self, candidates: int) -> None:
        self.candidates = check_count("candidates", candidates)

    @abstractmethod
    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        """Return the positions of each user's k items in the pool, best first; -1 if there are no more."""


def check_share(name: str, value: float) -> float:
    """Return a number from 0 to 1. Raises ConfigError, naming it, for others."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}: expected a number from 0 to 1, found {value}")
    return value


def check_count(name: str, value: int) -> int:
    """Return a number of at least 1. Raises ConfigError, naming it, for others."""
    if value < 1:
        raise ConfigError(f"{name}: expected at least 1, found {value}")
    return value
