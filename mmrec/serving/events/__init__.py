"""Stores of events: what users did with items, durable when it is acknowledged."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.events.event import Event as Event
    from mmrec.serving.events.event_store import EventStore as EventStore
    from mmrec.serving.events.store_urls import open_store as open_store

__getattr__, __dir__, __all__ = lazy_names(__name__, {".event": "Event", ".event_store": "EventStore", ".store_urls": "open_store"})
