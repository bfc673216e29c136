"""Events in memory: for notebooks and tests. They are gone when the process ends."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import polars as pl

from mmrec.serving.events.event import NOT_POPULAR, Event
from mmrec.serving.events.event_store import FRAME_SCHEMA, EventStore, check_room
from mmrec.serving.events.served_run import ServedRun


@final
class MemoryEventStore(EventStore):
    """Keeps events and items in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, Event] = {}
        self._items: dict[str, tuple[dict[str, Any], bool]] = {}
        self._pictures: dict[str, bytes] = {}
        self._version = 0
        self._forgotten: set[str] = set()
        self._served: ServedRun | None = None

    def append(self, events: Sequence[Event]) -> int:
        with self._lock:
            before = len(self._events)
            for one in events:
                self._events.setdefault(one.event_id, one)
            return len(self._events) - before

    def history(self, user_id: str, limit: int = 1000) -> list[Event]:
        with self._lock:
            found = [one for one in self._events.values() if one.user_id == user_id]
        return sorted(found, key=lambda one: one.timestamp)[-limit:]

    def forget(self, user_id: str) -> int:
        with self._lock:
            self._forgotten.add(user_id)
            theirs = [event_id for event_id, one in self._events.items() if one.user_id == user_id]
            for event_id in theirs:
                del self._events[event_id]
        return len(theirs)

    def is_forgotten(self, user_id: str) -> bool:
        return user_id in self._forgotten

    def popular(self, since: float, k: int) -> list[tuple[str, float]]:
        users = defaultdict(set)
        with self._lock:
            for one in self._events.values():
                if one.timestamp >= since and one.event not in NOT_POPULAR and not self._items.get(one.item_id, ({}, False))[1]:
                    users[one.item_id].add(one.user_id)
        best = sorted(users, key=lambda item_id: (-len(users[item_id]), item_id))
        return [(item_id, float(len(users[item_id]))) for item_id in best[:k]]

    def put_item(self, item_id: str, fields: Mapping[str, Any], picture: bytes | None = None) -> None:
        self._change(item_id, dict(fields), False, picture)

    def picture(self, digest: str) -> bytes | None:
        with self._lock:
            return next((one for one in self._pictures.values() if hashlib.sha256(one).hexdigest() == digest), None)

    def delete_item(self, item_id: str) -> None:
        self._change(item_id, {}, True, None)

    def items(self) -> Iterator[tuple[str, dict[str, Any], bool]]:
        with self._lock:
            rows = [(item_id, dict(fields), removed) for item_id, (fields, removed) in self._items.items()]
        return iter(rows)

    def items_version(self) -> int:
        return self._version

    def served_run(self) -> ServedRun | None:
        return self._served

    def serve_run(self, change: Callable[[ServedRun | None], ServedRun]) -> ServedRun:
        with self._lock:
            self._served = change(self._served)
        return self._served

    def export(self) -> pl.DataFrame:
        with self._lock:
            rows = sorted(self._events.values(), key=lambda one: one.timestamp)
        return pl.DataFrame([tuple(getattr(one, name) for name in FRAME_SCHEMA) for one in rows], schema=FRAME_SCHEMA, orient="row")

    def close(self) -> None:
        """There is nothing to release."""

    def _change(self, item_id: str, fields: dict[str, Any], removed: bool, picture: bytes | None) -> None:
        with self._lock:
            pictures = {name: one for name, one in self._pictures.items() if name != item_id}
            pictures |= {} if picture is None else {item_id: picture}
            check_room(sum(map(len, set(pictures.values()))))
            self._pictures = pictures
            self._items.pop(item_id, None)
            self._items[item_id] = (fields, removed)
            self._version += 1
