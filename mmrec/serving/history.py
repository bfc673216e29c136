"""What events say about a user: the items that they like, oldest first, and those that they know."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from mmrec.serving.model.catalogue import Catalogue

IMPRESSION, DISLIKE = "impression", "dislike"


class ItemEvent(Protocol):
    """An event of some user."""

    @property
    def item_id(self) -> str: ...

    @property
    def event(self) -> str: ...

    @property
    def timestamp(self) -> float | None: ...


class Reading(NamedTuple):
    """A user's events, read."""

    liked: Sequence[int]
    """item_idx, oldest first."""
    timestamps: Sequence[float] | None
    """Of `liked`; None if one of them is unknown."""
    known: frozenset[int]
    """The items that are not recommended: liked and disliked ones."""


def read_events(catalogue: Catalogue, events: Iterable[ItemEvent], earlier: Sequence[tuple[int, float | None]] = ()) -> Reading:
    """Read a user's events.

    Impressions say nothing. A dislike withdraws what the user did with the item before, and a later event withdraws the dislike. Items
    that the catalogue does not have are skipped.

    Args:
        catalogue: the items.
        events: oldest first.
        earlier: items, by item_idx, and times that precede them.
    """
    rows = list(earlier)
    known = {idx for idx, _ in rows}
    for one in events:
        idx = catalogue.places.get(one.item_id)
        if idx is None or one.event == IMPRESSION:
            continue
        known.add(idx)
        if one.event == DISLIKE:
            rows = [row for row in rows if row[0] != idx]
        else:
            rows.append((idx, one.timestamp))
    times = [time for _, time in rows if time is not None]
    return Reading([idx for idx, _ in rows], times if rows and len(times) == len(rows) else None, frozenset(known))
