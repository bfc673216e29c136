"""What is found out about a recommendation, by the ids and titles that people read.

All effects have one unit: the lead of the item, its score minus the mean score of all items for the user, in standard deviations of these
scores.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvidenceReason:
    """The contribution of one kind of evidence."""

    modality: str
    value: float
    """Shapley value: its part of the lead of the item."""
    share: float
    """Its part of all that raises the lead, from 0 to 1; 0 if it lowers it."""
    attention: float
    """The mass of attention in the item, which is not an effect on the score."""


@dataclass(frozen=True)
class ItemReason:
    """An item of the user's history."""

    item_id: str
    title: str
    effect: float
    """How much the lead of the recommended item falls without it."""


@dataclass(frozen=True)
class PathReason:
    """A path in the knowledge graph."""

    item_id: str
    title: str
    """The item of the history where it begins."""
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    """Of the edges between the entities; one that is followed against its direction is written as `^relation`."""
    effect: float
    """How much the lead of the recommended item falls if the model sees the graph without these edges."""


@dataclass(frozen=True)
class Explanation:
    """Why an item is recommended to a user."""

    user_id: str
    item_id: str
    title: str
    score: float
    rank: int
    """Its place among the items that the user has not had."""
    evidence: tuple[EvidenceReason, ...] = ()
    """Largest contribution first; empty if the model uses one kind only."""
    history: tuple[ItemReason, ...] = ()
    """The items of the history with the largest effects."""
    removed: tuple[ItemReason, ...] = ()
    """The smallest part of the history that was found without which the item would not be in the list."""
    replacement: ItemReason | None = None
    """The item that would be in the list instead."""
    k: int = 10
    """The length of that list."""
    paths: tuple[PathReason, ...] = ()
    """The paths with the largest effects."""
    sentences: tuple[str, ...] = ()
    """The same in words."""
