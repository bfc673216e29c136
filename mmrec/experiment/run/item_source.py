"""What is known of an item that a trained model is extended by."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Picture:
    """A picture, known by its content, whose bytes are read when they are needed."""

    digest: str
    """The SHA-256 of its bytes, in hexadecimal."""
    read: Callable[[], bytes] = field(compare=False, repr=False)
    """Raises ValueError if they are not there any more."""

    @classmethod
    def of(cls, content: bytes) -> "Picture":
        """A picture of which the bytes are kept."""
        return cls(hashlib.sha256(content).hexdigest(), lambda: content)


@dataclass(frozen=True)
class ItemContent:
    """What is known of an item that is added, or of one whose content changes."""

    item_id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Values by column of the items."""
    picture: bytes | Picture | None = None
    triples: Sequence[tuple[str, str]] = ()
    """Pairs of relation and tail."""
    entity: str | None = None
    """The entity of the graph that the item is; None: that of the data, or one that is called as the item."""

    @cached_property
    def shown(self) -> Picture | None:
        """Its picture."""
        return Picture.of(self.picture) if isinstance(self.picture, bytes) else self.picture
