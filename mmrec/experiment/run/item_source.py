"""What is known of an item that a trained model is extended by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ItemContent:
    """What is known of an item that is added, or of one whose content changes."""

    item_id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Values by column of the items."""
    picture: bytes | None = None
    triples: Sequence[tuple[str, str]] = ()
    """Pairs of relation and tail."""
    entity: str | None = None
    """The entity of the graph that the item is; None: that of the data, or one that is called as the item."""
