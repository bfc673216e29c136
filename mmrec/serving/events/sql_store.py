"""What event stores in SQL databases share: tables and statements. How a statement is run, and made durable, is left to each of them."""

import base64
import hashlib
import hmac
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import polars as pl

from mmrec.errors import ConfigError, DataError
from mmrec.serving.events.event import NOT_POPULAR, Event, check_id, is_id
from mmrec.serving.events.event_store import FRAME_SCHEMA, EventStore, check_room
from mmrec.serving.events.sealed_text import seal_text, unseal_text
from mmrec.serving.events.served_run import ServedRun
from mmrec.serving.events.sql_sessions import add_turn, begin_session, read_session, remove_session, remove_sessions_of, sessions_to_end
from mmrec.serving.events.stored_session import StoredSession, StoredTurn
from mmrec.serving.events.transaction import Row, Transaction

T = TypeVar("T")
SCHEMA_VERSION = 1
KEY_CHECK = b"mmrec: key of user ids"
_ROWS_AT_ONCE = 100_000
_COLUMNS = ", ".join(FRAME_SCHEMA)
_MARKS = ", ".join("?" * len(FRAME_SCHEMA))
_PUT_ITEM = (
    "INSERT INTO mmrec_items (item_id, fields, deleted, version) VALUES (?, ?, ?, ?) ON CONFLICT (item_id)"
    " DO UPDATE SET fields = excluded.fields, deleted = excluded.deleted, version = excluded.version"
)
_PUT_PICTURE = "INSERT INTO mmrec_pictures VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"
_DROP_PICTURES = "DELETE FROM mmrec_pictures WHERE digest NOT IN (SELECT digest FROM mmrec_item_pictures)"
_IS_FORGOTTEN = "SELECT 1 FROM mmrec_forgotten WHERE user_hash = ?"
_NEXT_VERSION = (
    "UPDATE mmrec_settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'items_version' RETURNING CAST(value AS BIGINT)"
)
_SERVED = "SELECT value FROM mmrec_settings WHERE name = 'served_run' AND value <> ''"
_LOCK_SERVED = (
    "INSERT INTO mmrec_settings VALUES ('served_run', '') ON CONFLICT (name) DO UPDATE SET value = mmrec_settings.value RETURNING value"
)


def tables(identity: str, text: str) -> list[str]:
    """Return the statements that create the tables.

    Args:
        identity: the type of a number that grows from row to row, in the database's dialect.
        text: the type of text that is compared by code points.
    """
    names = f"user_id {text} NOT NULL, item_id {text} NOT NULL"
    values = f"timestamp DOUBLE PRECISION NOT NULL, event {text} NOT NULL, position BIGINT, propensity DOUBLE PRECISION, model {text}"
    return [
        f"CREATE TABLE mmrec_settings (name {text} PRIMARY KEY, value {text} NOT NULL)",
        f"CREATE TABLE mmrec_events (seq {identity}, event_id {text} NOT NULL UNIQUE, {names}, {values})",
        "CREATE INDEX mmrec_events_of_user ON mmrec_events (user_id, timestamp, seq)",
        "CREATE INDEX mmrec_events_by_time ON mmrec_events (timestamp)",
        f"CREATE TABLE mmrec_items (item_id {text} PRIMARY KEY, fields {text} NOT NULL, deleted INTEGER NOT NULL, version BIGINT NOT NULL)",
        f"CREATE TABLE mmrec_forgotten (user_hash {text} PRIMARY KEY)",
        "INSERT INTO mmrec_settings VALUES ('items_version', '0')",
    ]


def picture_tables(text: str, content: str) -> list[str]:
    """Return the statements that create the tables of pictures, which stores of earlier versions lack.

    Args:
        text: as in `tables`.
        content: the type of bytes.
    """
    return [
        f"CREATE TABLE IF NOT EXISTS mmrec_pictures (digest {text} PRIMARY KEY, n_bytes BIGINT NOT NULL, content {content} NOT NULL)",
        f"CREATE TABLE IF NOT EXISTS mmrec_item_pictures (item_id {text} PRIMARY KEY, digest {text} NOT NULL)",
    ]


class SQLEventStore(EventStore):
    """An event store in a SQL database.

    Args:
        user_key: the key with which user ids are hashed before they are stored (HMAC-SHA256); None stores them as they are. With a key,
            whoever reads the database, its backups or an export cannot tell whose events these are, unless they have the key.
    """

    def __init__(self, user_key: bytes | None) -> None:
        self._user_key = user_key

    @abstractmethod
    def _write(self, work: Callable[[Transaction], T]) -> T:
        """Call `work` in a transaction, which is durable when this returns, and undone where `work` raises an error."""

    @abstractmethod
    def _purge(self) -> None:
        """Overwrite removed rows, as far as the database does not do so by itself."""

    @abstractmethod
    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run a statement that changes nothing, and return its rows."""

    def append(self, events: Sequence[Event]) -> int:
        """Store events: see `EventStore.append`."""
        return self._write(lambda transaction: self._insert(transaction, events)) if events else 0

    def history(self, user_id: str, limit: int = 1000) -> list[Event]:
        """Return the latest events of a user, oldest first."""
        sql = f"SELECT {_COLUMNS} FROM mmrec_events WHERE user_id = ? ORDER BY timestamp DESC, seq DESC LIMIT ?"
        rows = self._read(sql, (self._stored(user_id), limit)) if is_id(user_id) else []
        return [Event(row[0], user_id, *row[2:]) for row in reversed(rows)]

    def forget(self, user_id: str) -> int:
        """Remove all events and sessions of a user for good."""
        if not is_id(user_id):
            return 0
        stored = self._stored(user_id)

        def remove(transaction: Transaction) -> int:
            transaction.change("INSERT INTO mmrec_forgotten VALUES (?) ON CONFLICT DO NOTHING", [(_hash(stored),)])
            remove_sessions_of(transaction, stored)
            return transaction.change("DELETE FROM mmrec_events WHERE user_id = ?", [(stored,)])

        n_removed = self._write(remove)
        self._purge()
        return n_removed

    def is_forgotten(self, user_id: str) -> bool:
        """Return whether `forget` was called for a user."""
        return is_id(user_id) and bool(self._read(_IS_FORGOTTEN, (_hash(self._stored(user_id)),)))

    def popular(self, since: float, k: int) -> list[tuple[str, float]]:
        """Return the items that most users had events with."""
        sql = (
            "SELECT item_id, COUNT(DISTINCT user_id) AS n_users FROM mmrec_events"
            f" WHERE timestamp >= ? AND event NOT IN ({', '.join('?' * len(NOT_POPULAR))})"
            " AND item_id NOT IN (SELECT item_id FROM mmrec_items WHERE deleted = 1)"
            " GROUP BY item_id ORDER BY n_users DESC, item_id LIMIT ?"
        )
        return [(item_id, float(n_users)) for item_id, n_users in self._read(sql, (since, *NOT_POPULAR, k))]

    def put_item(self, item_id: str, fields: Mapping[str, Any], picture: bytes | None = None) -> None:
        """Store an item durably."""
        self._change_item(item_id, fields_to_text(fields), False, picture)

    def picture(self, digest: str) -> bytes | None:
        """Return the bytes of a picture that an item has."""
        rows = self._read("SELECT content FROM mmrec_pictures WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    def delete_item(self, item_id: str) -> None:
        """Note durably that an item is removed."""
        self._change_item(item_id, fields_to_text({}), True, None)

    def _change_item(self, item_id: str, fields: str, deleted: bool, picture: bytes | None) -> None:
        check_id("item_id", item_id)

        def change(transaction: Transaction) -> None:
            ((version,),) = transaction.rows(_NEXT_VERSION)  # which also makes changes of items wait for each other
            transaction.change(_PUT_ITEM, [(item_id, fields, int(deleted), version)])
            transaction.change("DELETE FROM mmrec_item_pictures WHERE item_id = ?", [(item_id,)])
            if picture is not None:
                digest = hashlib.sha256(picture).hexdigest()
                transaction.change(_PUT_PICTURE, [(digest, len(picture), picture)])
                transaction.change("INSERT INTO mmrec_item_pictures VALUES (?, ?)", [(item_id, digest)])
            transaction.rows(_DROP_PICTURES)
            if picture is not None:
                ((n_bytes,),) = transaction.rows("SELECT COALESCE(SUM(n_bytes), 0) FROM mmrec_pictures")
                check_room(int(n_bytes))

        self._write(change)

    def items(self) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Return all items that were put or removed."""
        version = 0
        while rows := self._read(
            "SELECT item_id, fields, deleted, version FROM mmrec_items WHERE version > ? ORDER BY version LIMIT 1000", (version,)
        ):
            yield from ((item_id, fields_from_text(fields), bool(deleted)) for item_id, fields, deleted, _ in rows)
            version = rows[-1][-1]

    def items_version(self) -> int:
        """Return a number that grows with every change of items."""
        return int(self._read("SELECT value FROM mmrec_settings WHERE name = 'items_version'")[0][0])

    def served_run(self) -> ServedRun | None:
        """Return the latest choice of a run."""
        rows = self._read(_SERVED)
        return ServedRun.from_text(rows[0][0]) if rows else None

    def serve_run(self, change: Callable[[ServedRun | None], ServedRun]) -> ServedRun:
        """Store the choice of a run durably."""

        def write(transaction: Transaction) -> ServedRun:
            ((text,),) = transaction.rows(_LOCK_SERVED)
            served = change(ServedRun.from_text(text) if text else None)
            transaction.change("UPDATE mmrec_settings SET value = ? WHERE name = 'served_run'", [(served.to_text(),)])
            return served

        return self._write(write)

    def begin_session(self, session: StoredSession) -> None:
        """Store a new session."""
        stored = None if session.user_id is None else self._stored(session.user_id)
        is_sealed = session.user_id is not None and self._user_key is not None
        sealed = seal_text(session.user_id or "", self._user_key or b"") if is_sealed else None
        self._write(lambda transaction: begin_session(transaction, session, stored, sealed))

    def session(self, session_id: str, after: int = 0) -> StoredSession | None:
        """Return a session with its entries but the first `after`."""
        found = read_session(self._read, session_id, after) if is_id(session_id) else None
        if found is None or found[1] is None:
            return None if found is None else found[0]
        return replace(found[0], user_id=unseal_text(found[1], self._user_key or b""))

    def add_turn(self, session_id: str, number: int, turn: StoredTurn, used: float) -> bool:
        """Add an entry to a session."""
        return self._write(lambda transaction: add_turn(transaction, session_id, number, turn, used))

    def use_session(self, session_id: str, used: float) -> None:
        """Note when a session was used last."""
        sql = "UPDATE mmrec_sessions SET used = ? WHERE session_id = ?"
        self._write(lambda transaction: transaction.change(sql, [(float(used), session_id)]))

    def end_session(self, session: StoredSession, events: Sequence[Event]) -> int | None:
        """Remove a session and store its events."""

        def end(transaction: Transaction) -> int | None:
            if not remove_session(transaction, session):
                return None
            return self._insert(transaction, events) if events else 0

        return self._write(end)

    def sessions_to_end(self, used_before: float, max_sessions: int) -> list[str]:
        """Return sessions that are too old or too many."""
        return sessions_to_end(self._read, used_before, max_sessions)

    def export(self) -> pl.DataFrame:
        """Return all events, oldest first."""
        frames, seq = [pl.DataFrame(schema=FRAME_SCHEMA)], 0
        while rows := self._read(f"SELECT {_COLUMNS}, seq FROM mmrec_events WHERE seq > ? ORDER BY seq LIMIT {_ROWS_AT_ONCE}", (seq,)):
            frames.append(pl.DataFrame([row[:-1] for row in rows], schema=FRAME_SCHEMA, orient="row"))
            seq = rows[-1][-1]
        return pl.concat(frames).sort("timestamp", maintain_order=True)

    def _insert(self, transaction: Transaction, events: Sequence[Event]) -> int:
        """Insert events, and return how many are new."""
        rows = [
            (one.event_id, self._stored(one.user_id), one.item_id, float(one.timestamp), one.event, one.position, one.propensity, one.model)
            for one in events
        ]
        return transaction.change(f"INSERT INTO mmrec_events ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT (event_id) DO NOTHING", rows)

    def _stored(self, user_id: str) -> str:
        """A user's id as it is stored."""
        if self._user_key is None:
            return user_id
        return hmac.new(self._user_key, user_id.encode(), hashlib.sha256).hexdigest()

    def _check_settings(self, transaction: Transaction, where: str) -> None:
        """Note schema and key of a new store, and check those of an older one.

        Raises:
            ConfigError: where the key is not the one that user ids were stored with.
            DataError: where the store was made by a later version of mmrec.
        """
        check = "" if self._user_key is None else hmac.new(self._user_key, KEY_CHECK, hashlib.sha256).hexdigest()
        wanted = {"schema": str(SCHEMA_VERSION), "user_key": check}
        found = {name: value for name, value in transaction.rows("SELECT name, value FROM mmrec_settings") if name in wanted}
        if not found:
            transaction.change("INSERT INTO mmrec_settings VALUES (?, ?)", list(wanted.items()))
        elif found.get("schema") != wanted["schema"]:
            raise DataError(f"{where}: expected a store with schema {SCHEMA_VERSION}, found {found.get('schema')}; use a newer mmrec")
        elif not hmac.compare_digest(found.get("user_key", ""), check):
            kept = "as keyed hashes" if found.get("user_key") else "without a key"
            raise ConfigError(
                f"{where}: user ids are stored {kept}; expected the key they were stored with, found {_named(self._user_key)}"
            )


def _hash(stored: str) -> str:
    """Of a user who is forgotten, only a hash is kept."""
    return hashlib.sha256(f"mmrec forgotten user {stored}".encode()).hexdigest()


def _named(user_key: bytes | None) -> str:
    return "none" if user_key is None else "another"


def fields_to_text(fields: Mapping[str, Any]) -> str:
    """Return an item's fields as JSON, those that are bytes in Base64.

    Raises:
        DataError: where a value cannot be stored; the message names the field.
    """
    kept: dict[str, dict[str, Any]] = {"fields": {}, "bytes": {}}
    for name, value in fields.items():
        try:
            if isinstance(value, bytes):
                kept["bytes"][name] = base64.b64encode(value).decode("ascii")
            else:
                json.dumps({name: value}, allow_nan=False, ensure_ascii=False).encode("utf-8")
                kept["fields"][name] = value
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"{name}: expected a value that JSON can hold, found {type(value).__name__} ({error})") from error
    return json.dumps(kept, allow_nan=False)


def fields_from_text(text: str) -> dict[str, Any]:
    """Return the fields that `fields_to_text` was given."""
    kept: dict[str, dict[str, Any]] = json.loads(text)
    return kept["fields"] | {name: base64.b64decode(value) for name, value in kept["bytes"].items()}
