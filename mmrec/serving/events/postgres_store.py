"""Events in PostgreSQL: for several machines."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from mmrec.errors import StorageError
from mmrec.extras import needs
from mmrec.serving.events.sql_sessions import session_tables
from mmrec.serving.events.sql_store import SQLEventStore, picture_tables, tables
from mmrec.serving.events.transaction import Row, Transaction

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
_TRIES = 5
_CREATION_LOCK = 0x6D6D726563
_TEXT = 'TEXT COLLATE "C"'
_HAS_PICTURES = "SELECT to_regclass('mmrec_item_pictures') IS NOT NULL"
_HAS_SESSIONS = "SELECT to_regclass('mmrec_session_turns') IS NOT NULL"
_IS_THERE = "SELECT to_regclass('mmrec_settings') IS NOT NULL"


class PostgresEventStore(SQLEventStore):
    """Keeps events in a database of PostgreSQL, in tables whose names start with `mmrec_`.

    A broken connection is opened again and the transaction repeated, which is harmless: events are told apart by their ids.

    Args:
        url: as psql takes it: `postgresql://user:password@host:port/database`.
        user_key: see `SQLEventStore`.

    Raises:
        MissingExtra: where psycopg is not installed.
        StorageError: where the database cannot be reached.
        ConfigError: where `user_key` is not the one that the store was made with.
    """

    def __init__(self, url: str, user_key: bytes | None = None) -> None:
        super().__init__(user_key)
        with needs("postgres", "store=postgresql://…", "choose store=sqlite:///…"):
            import psycopg
        self._psycopg: Any = psycopg
        self._url, self._closed = url, False
        self._lock = threading.Lock()
        self._idle: list[psycopg.Connection[Row]] = []

        def prepare(transaction: Transaction) -> None:
            transaction.rows("SELECT pg_advisory_xact_lock(?)", (_CREATION_LOCK,))
            if not transaction.rows(_IS_THERE)[0][0]:
                for statement in tables("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", _TEXT):
                    transaction.rows(statement)
            if not transaction.rows(_HAS_PICTURES)[0][0]:
                for statement in picture_tables(_TEXT, "BYTEA"):
                    transaction.rows(statement)
            if not transaction.rows(_HAS_SESSIONS)[0][0]:
                for statement in session_tables(_TEXT, "BYTEA"):
                    transaction.rows(statement)
            self._check_settings(transaction, "store=postgresql://…")

        try:
            self._write(prepare)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _write(self, work: Callable[[Transaction], T]) -> T:
        def in_transaction(connection: "psycopg.Connection[Row]") -> T:
            with connection.transaction():
                return work(_PostgresTransaction(connection))

        return self._run(in_transaction)

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return self._run(lambda connection: _PostgresTransaction(connection).rows(sql, values))

    def _purge(self) -> None:
        """PostgreSQL overwrites removed rows by itself (autovacuum)."""

    def _run(self, work: Callable[["psycopg.Connection[Row]"], T]) -> T:
        """Call `work` with a connection; again, with another, where that one broke or transactions blocked each other."""
        for n_tries in range(1, _TRIES + 1):
            try:
                with self._connection() as connection:
                    return work(connection)
            except self._psycopg.Error as error:
                if n_tries == _TRIES or not isinstance(error, self._psycopg.OperationalError):
                    raise StorageError(f"store=postgresql://…: {error}".strip()) from error
        raise AssertionError

    @contextmanager
    def _connection(self) -> Iterator["psycopg.Connection[Row]"]:
        """A connection that no other thread uses meanwhile; kept for later unless an error broke it."""
        with self._lock:
            if self._closed:
                raise StorageError("store=postgresql://…: the store is closed")
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._open()
        try:
            yield connection
        finally:
            with self._lock:
                kept = not self._closed and not connection.closed and not connection.broken
                broken = [] if kept else [connection, *self._idle]  # what broke one is likely to have broken all
                self._idle = [*self._idle, connection] if kept else []
            for one in broken:
                one.close()

    def _open(self) -> "psycopg.Connection[Row]":
        try:
            connection: psycopg.Connection[Row] = self._psycopg.connect(
                self._url, autocommit=True, connect_timeout=10, application_name="mmrec"
            )
        except self._psycopg.ProgrammingError:  # whose message has parts of the address, such as the password
            message = "store=postgresql://…: expected an address as psql takes it, with % written as %25 and @ in a password as %40"
            raise StorageError(message) from None
        connection.execute("SET synchronous_commit = on")
        return connection


class _PostgresTransaction:
    """Runs statements on a connection."""

    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        cursor = self._connection.execute(_with_percent(sql), values)
        return cursor.fetchall() if cursor.description else []

    def change(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        with self._connection.cursor() as cursor:
            cursor.executemany(_with_percent(sql), rows)
            return cursor.rowcount


def _with_percent(sql: str) -> bytes:
    """A statement with `%s` where values go, as psycopg has it."""
    return sql.replace("?", "%s").encode()
