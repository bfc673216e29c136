"""Events in memory: for notebooks and tests. They are gone when the process ends."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import polars as pl

from mmrec.serving.events.event import NOT_POPULAR, Event
from mmrec.serving.events.event_store import FRAME_SCHEMA, EventStore, check_room, check_session_room
from mmrec.serving.events.served_run import ServedRun
from mmrec.serving.events.stored_session import StoredSession, StoredTurn


@final
class MemoryEventStore(EventStore):
    """Keeps events, items and sessions in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, Event] = {}
        self._items: dict[str, tuple[dict[str, Any], bool]] = {}
        self._pictures: dict[str, bytes] = {}
        self._version = 0
        self._forgotten: set[str] = set()
        self._served: ServedRun | None = None
        self._sessions: dict[str, StoredSession] = {}

    def append(self, events: Sequence[Event]) -> int:
        with self._lock:
            return self._append(events)

    def history(self, user_id: str, limit: int = 1000) -> list[Event]:
        with self._lock:
            found = [one for one in self._events.values() if one.user_id == user_id]
        return sorted(found, key=lambda one: one.timestamp)[-limit:]

    def forget(self, user_id: str) -> int:
        with self._lock:
            self._forgotten.add(user_id)
            self._sessions = {name: one for name, one in self._sessions.items() if one.user_id != user_id}
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

    def begin_session(self, session: StoredSession) -> None:
        with self._lock:
            self._sessions[session.session_id] = session

    def session(self, session_id: str, after: int = 0) -> StoredSession | None:
        with self._lock:
            found = self._sessions.get(session_id)
        return None if found is None else replace(found, turns=found.turns[after:])

    def add_turn(self, session_id: str, number: int, turn: StoredTurn, used: float) -> bool:
        with self._lock:
            found = self._sessions.get(session_id)
            if found is None or found.n_turns != number:
                return False
            if turn.picture is not None:
                turns = [turn, *(one for session in self._sessions.values() for one in session.turns)]
                check_session_room(sum(len(one.picture or b"") for one in turns))
            self._sessions[session_id] = replace(found, used=used, n_turns=number + 1, turns=(*found.turns, turn))
        return True

    def use_session(self, session_id: str, used: float) -> None:
        with self._lock:
            if session_id in self._sessions:
                self._sessions[session_id] = replace(self._sessions[session_id], used=used)

    def end_session(self, session: StoredSession, events: Sequence[Event]) -> int | None:
        with self._lock:
            found = self._sessions.get(session.session_id)
            if found is None or (found.n_turns, found.used) != (session.n_turns, session.used):
                return None
            del self._sessions[session.session_id]
            return self._append(events)

    def sessions_to_end(self, used_before: float, max_sessions: int) -> list[str]:
        with self._lock:
            newest = sorted(self._sessions.values(), key=lambda one: (-one.used, one.session_id))
        return [one.session_id for place, one in enumerate(newest) if place >= max_sessions or one.used < used_before]

    def export(self) -> pl.DataFrame:
        with self._lock:
            rows = sorted(self._events.values(), key=lambda one: one.timestamp)
        return pl.DataFrame([tuple(getattr(one, name) for name in FRAME_SCHEMA) for one in rows], schema=FRAME_SCHEMA, orient="row")

    def close(self) -> None:
        """There is nothing to release."""

    def _append(self, events: Sequence[Event]) -> int:
        before = len(self._events)
        for one in events:
            self._events.setdefault(one.event_id, one)
        return len(self._events) - before

    def _change(self, item_id: str, fields: dict[str, Any], removed: bool, picture: bytes | None) -> None:
        with self._lock:
            pictures = {name: one for name, one in self._pictures.items() if name != item_id}
            pictures |= {} if picture is None else {item_id: picture}
            check_room(sum(map(len, set(pictures.values()))))
            self._pictures = pictures
            self._items.pop(item_id, None)
            self._items[item_id] = (fields, removed)
            self._version += 1
