"""Serve a trained run: a durable store of events, and what stands between a network and the service."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.events.event import Event as Event
    from mmrec.serving.events.event_store import EventStore as EventStore
    from mmrec.serving.events.store_urls import open_store as open_store

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".events.event": "Event",
        ".events.event_store": "EventStore",
        ".events.store_urls": "open_store",
    },
)
