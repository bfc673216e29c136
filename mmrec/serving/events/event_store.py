"""The contract of event stores: durable events of users, and the items that were added or removed while the service ran."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from mmrec.errors import DataError
from mmrec.serving.events.event import Event
from mmrec.serving.events.served_run import ServedRun
from mmrec.serving.events.stored_session import StoredSession, StoredTurn

MAX_PICTURE_BYTES = 2 * 2**30
"""What the pictures of all items may take in a store."""
MAX_SESSION_PICTURE_BYTES = 2**30
"""What the pictures of all sessions may take in a store."""


class StoreFull(DataError):
    """Pictures take as much as they may."""


def check_room(n_bytes: int) -> None:
    """Check what the pictures of all items take. Raises StoreFull if it is more than `MAX_PICTURE_BYTES`."""
    if n_bytes > MAX_PICTURE_BYTES:
        raise StoreFull(f"picture: the pictures of items would take {n_bytes:,} bytes, more than {MAX_PICTURE_BYTES:,}; remove items first")


def check_session_room(n_bytes: int) -> None:
    """Check what the pictures of all sessions take. Raises StoreFull if it is more than `MAX_SESSION_PICTURE_BYTES`."""
    if n_bytes > MAX_SESSION_PICTURE_BYTES:
        raise StoreFull(
            f"picture: the pictures of sessions would take {n_bytes:,} bytes, more than {MAX_SESSION_PICTURE_BYTES:,}; end sessions first"
        )


class EventStore(ABC):
    """Keeps events, items and sessions. All methods may be called from several threads, and several processes may open the same store."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> int:
        """Store events. What it has returned for survives the end of the process and a power failure.

        Args:
            events: one with an `event_id` that is stored already, or that an earlier one of `events` has, is left out.

        Returns:
            The number of events that are new. All of them are stored, or none where an error is raised.

        Raises:
            StorageError: where the store cannot be written.
        """

    @abstractmethod
    def history(self, user_id: str, limit: int = 1000) -> list[Event]:
        """Return the latest events of a user, at most `limit`, oldest first; those of one moment in the order in which they came."""

    @abstractmethod
    def forget(self, user_id: str) -> int:
        """Remove all events and sessions of a user for good, and return how many events there were."""

    @abstractmethod
    def is_forgotten(self, user_id: str) -> bool:
        """Return whether `forget` was called for a user, of whom the data of a model may still know something."""

    @abstractmethod
    def popular(self, since: float, k: int) -> list[tuple[str, float]]:
        """Return the items that most users had events with, best first, ties by item_id.

        Args:
            since: seconds since 1970, UTC; earlier events do not count, nor do impressions and dislikes.
            k: how many items at most; items that `delete_item` has removed are left out.

        Returns:
            Items and their numbers of users.
        """

    @abstractmethod
    def put_item(self, item_id: str, fields: Mapping[str, Any], picture: bytes | None = None) -> None:
        """Store an item durably, in place of what was stored of it before.

        Args:
            item_id: the item.
            fields: what is known of it: values that JSON has, and bytes at the top level.
            picture: its picture, which `picture` returns. Equal pictures are stored once, and as long as an item has them.

        Raises:
            DataError: where a value cannot be stored; the message names the field.
            StoreFull: where the pictures would take more than `MAX_PICTURE_BYTES`.
            StorageError: where the store cannot be written.
        """

    @abstractmethod
    def picture(self, digest: str) -> bytes | None:
        """Return the bytes of a picture that an item has, by their SHA-256 in hexadecimal; None where no item has it."""

    @abstractmethod
    def delete_item(self, item_id: str) -> None:
        """Note durably that an item is removed, whether or not it was stored; `put_item` brings it back."""

    @abstractmethod
    def items(self) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Return all items that were put or removed, in the order of these changes: item_id, fields, and whether it is removed."""

    @abstractmethod
    def items_version(self) -> int:
        """Return a number that grows with every change of items, by whichever process: others see by it that there is something new."""

    @abstractmethod
    def served_run(self) -> ServedRun | None:
        """Return the latest choice of a run, by whichever process; None if there was none."""

    @abstractmethod
    def serve_run(self, change: Callable[[ServedRun | None], ServedRun]) -> ServedRun:
        """Store the choice of a run durably, and return it.

        Args:
            change: makes it from the one that is stored; no other process changes that meanwhile. It may be called again.
        """

    @abstractmethod
    def begin_session(self, session: StoredSession) -> None:
        """Store a new session, without entries.

        Raises:
            StorageError: where the store cannot be written.
        """

    @abstractmethod
    def session(self, session_id: str, after: int = 0) -> StoredSession | None:
        """Return a session with its entries but the first `after`; None if there is no such session."""

    @abstractmethod
    def add_turn(self, session_id: str, number: int, turn: StoredTurn, used: float) -> bool:
        """Add an entry to a session, if no other process has added one meanwhile.

        Args:
            session_id: the session.
            number: how many entries it has.
            turn: the entry. One that is stored already under this number counts as added.
            used: when the session was used last, in seconds since 1970, UTC.

        Returns:
            Whether the session is there and had that many entries; otherwise nothing has changed.

        Raises:
            StoreFull: where the pictures of sessions would take more than `MAX_SESSION_PICTURE_BYTES`; nothing has changed.
            StorageError: where the store cannot be written.
        """

    @abstractmethod
    def use_session(self, session_id: str, used: float) -> None:
        """Note when a session was used last. If there is no such session, nothing changes."""

    @abstractmethod
    def end_session(self, session: StoredSession, events: Sequence[Event]) -> int | None:
        """Remove a session and store its events, both or neither.

        Args:
            session: as the store returned it.
            events: what is kept of it.

        Returns:
            The number of events that are new. None if another process has used or removed the session meanwhile: nothing has changed.

        Raises:
            StorageError: where the store cannot be written.
        """

    @abstractmethod
    def sessions_to_end(self, used_before: float, max_sessions: int) -> list[str]:
        """Return sessions that were not used since a moment, and the least recently used ones of more than `max_sessions`."""

    @abstractmethod
    def export(self) -> pl.DataFrame:
        """Return all events, oldest first, with the columns of `FRAME_SCHEMA`."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections. The store cannot be used afterwards; a second call has no effect."""


FRAME_SCHEMA = {
    "event_id": pl.String(),
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": pl.Float64(),
    "event": pl.String(),
    "position": pl.Int64(),
    "propensity": pl.Float64(),
    "model": pl.String(),
}
"""The columns of exported events: the fields of `Event`."""
