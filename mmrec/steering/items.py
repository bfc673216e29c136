"""What a session needs to know of the items and of the person: the interface between steering and a trained model."""

from collections.abc import Sequence
from typing import Protocol

from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.steering.vocabulary import Vocabulary


class SteeredItems(Protocol):
    """The items of a model."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Their names, columns and values."""

    def similarities(self, item_idx: int) -> Float[Tensor, " n_items"]:
        """The similarity of each item to one, from -1 to 1, in the space in which the model fuses all evidence."""

    def with_value(self, column: str, value: str) -> Bool[Tensor, " n_items"]:
        """Which items have a value of a column."""

    def numbers(self, column: str) -> Float[Tensor, " n_items"]:
        """The numbers of a column; NaN where an item has none."""

    def matches(self, words: str) -> Float[Tensor, " n_items"] | None:
        """How well each item matches some words, about 1 for the best; None if the items cannot be compared with these words."""

    def looks_like(self, picture: bytes) -> Float[Tensor, " n_items"]:
        """How much each item looks like a picture. Raises MmrecError if it cannot be compared."""


class Person(Protocol):
    """Whom a session recommends to."""

    @property
    def seen(self) -> frozenset[int]:
        """The items that are never recommended."""

    @property
    def history(self) -> Sequence[int]:
        """The items of the training part, or of the given history, oldest first."""

    def scores(self, liked: Sequence[int]) -> Float[Tensor, " n_items"]:
        """The scores of all items once some more items are liked."""
