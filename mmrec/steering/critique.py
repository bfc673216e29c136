"""Critiques of a list of items, and which of them contradict each other."""

from dataclasses import dataclass
from typing import final

MORE, LESS, NO, ONLY = "more", "less", "no", "only"


@final
@dataclass(frozen=True)
class ValueCritique:
    """More, less, nothing or only of a value of a column."""

    kind: str
    """`more`, `less`, `no` or `only`."""
    column: str
    value: str


@final
@dataclass(frozen=True)
class NumberCritique:
    """A lower or a higher number in a column, such as cheaper."""

    column: str
    is_lower: bool
    than: float
    """What the numbers of items have to be below or above; an item without a number is not listed."""
    or_equal: bool = False
    """Whether they may be equal to it."""


@final
@dataclass(frozen=True)
class WordsCritique:
    """More or less of what some words say."""

    words: str
    is_more: bool = True


@final
@dataclass(frozen=True)
class LikenessCritique:
    """Items that are like an item."""

    item_idx: int


@final
@dataclass(frozen=True)
class PictureCritique:
    """Items that look like a picture."""

    picture: bytes
    name: str


Critique = ValueCritique | NumberCritique | WordsCritique | LikenessCritique | PictureCritique


def contradicts(new: Critique, old: Critique, opposites: frozenset[frozenset[str]] = frozenset()) -> bool:
    """Return whether a critique takes the place of an older one.

    It does if both are about the same value, number, words or opposite words, if one wants only one value of a column and the other wants
    another value of it, or if both say what the items are to be like.

    >>> contradicts(ValueCritique("more", "genre", "Drama"), ValueCritique("no", "genre", "Drama"))
    True
    >>> contradicts(WordsCritique("bright"), WordsCritique("dark"), frozenset({frozenset({"bright", "dark"})}))
    True

    Args:
        new: the newer one.
        old: the older one.
        opposites: pairs of words that exclude each other.
    """
    if isinstance(new, ValueCritique) and isinstance(old, ValueCritique):
        if new.column != old.column:
            return False
        wants_both = {new.kind, old.kind} <= {MORE, ONLY}
        return new.value == old.value or (wants_both and ONLY in (new.kind, old.kind))
    if isinstance(new, NumberCritique) and isinstance(old, NumberCritique):
        return new.column == old.column
    if isinstance(new, WordsCritique) and isinstance(old, WordsCritique):
        return new.words == old.words or (new.is_more == old.is_more and frozenset({new.words, old.words}) in opposites)
    alike = (LikenessCritique, PictureCritique)
    return isinstance(new, alike) and isinstance(old, alike)
