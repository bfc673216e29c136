"""Serve a trained run: a durable store of events, and what stands between a network and the service."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.answer import Past as Past
    from mmrec.serving.answer import Wanted as Wanted
    from mmrec.serving.events.event import Event as Event
    from mmrec.serving.events.event_store import EventStore as EventStore
    from mmrec.serving.events.store_urls import open_store as open_store
    from mmrec.serving.model.open_model import open_model as open_model
    from mmrec.serving.service import Service as Service

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".answer": "Past Wanted",
        ".events.event": "Event",
        ".events.event_store": "EventStore",
        ".events.store_urls": "open_store",
        ".model.open_model": "open_model",
        ".service": "Service",
    },
)
