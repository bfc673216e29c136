"""Events in a file of SQLite: for one machine, with any number of processes."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mmrec.errors import DataError, MissingFile, StorageError
from mmrec.serving.events.sql_sessions import session_tables
from mmrec.serving.events.sql_store import SQLEventStore, picture_tables, tables
from mmrec.serving.events.transaction import Row, Transaction

T = TypeVar("T")
APPLICATION_ID = 0x6D6D7265
"""What the file's header says it belongs to: `mmre`."""
_MAGIC = b"SQLite format 3\0"
_WAIT_S = 15


class SQLiteEventStore(SQLEventStore):
    """Keeps events in a file of SQLite, in WAL mode: readers do not wait for a writer. Every append is on the disk when it returns.

    The first write to a new write-ahead log also makes the entries of its folder durable.

    Args:
        path: the file, which is made where there is none, readable by its owner alone.
        user_key: see `SQLEventStore`.

    Raises:
        MissingFile: where the folder of `path` does not exist.
        DataError: where `path` is something else than a store of events.
        StorageError: where the file cannot be opened.
        ConfigError: where `user_key` is not the one that the store was made with.
    """

    def __init__(self, path: Path, user_key: bytes | None = None) -> None:
        super().__init__(user_key)
        self._path, self._closed = path, False
        self._writing, self._reading = threading.Lock(), threading.Lock()
        _check_file(path)
        self._writer = self._connect()
        try:
            with self._errors():
                _check_owner(self._writer, path)  # before anything is written
                _turn_on_wal(self._writer, path)
                self._writer.execute("PRAGMA synchronous = FULL")
                self._writer.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten
                self._prepare()
            self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading:
            if not self._closed:
                self._closed = True
                self._reader.close()
                self._writer.close()

    def _purge(self) -> None:
        """Empty the write-ahead log, in which removed rows still are."""
        with self._writing, self._errors():
            self._check_open()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _connect(self) -> sqlite3.Connection:
        with self._errors():
            return sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)

    def _prepare(self) -> None:
        def prepare(transaction: Transaction) -> None:
            if transaction.rows("PRAGMA application_id") == [(0,)]:
                for statement in tables("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT"):
                    transaction.rows(statement)
                transaction.rows(f"PRAGMA application_id = {APPLICATION_ID}")
            for statement in (*picture_tables("TEXT", "BLOB"), *session_tables("TEXT", "BLOB")):
                transaction.rows(statement)
            self._check_settings(transaction, str(self._path))

        self._write(prepare)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        with self._writing, self._errors():
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = work(_SQLiteTransaction(self._writer))
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            return result

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._reading, self._errors():
            self._check_open()
            return _SQLiteTransaction(self._reader).rows(sql, values)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"{self._path}: the store is closed")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the file in an error of SQLite."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from error


class _SQLiteTransaction:
    """Runs statements on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        return self._connection.executemany(sql, rows).rowcount


def _check_file(path: Path) -> None:
    """Make the file where there is none; refuse what is no file of SQLite before SQLite touches it."""
    try:
        if not path.parent.is_dir():
            raise MissingFile(f"{path.parent}: expected a folder for the store of events, found none")
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: expected a store of events, found something that is no file")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with open(descriptor, "rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    if start and start != _MAGIC:
        raise _foreign(path)


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    try:
        ((n_tables,),) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()  # first: another process may be making them
        ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise _foreign(path) from error
    if application_id != APPLICATION_ID and (application_id or n_tables):
        raise _foreign(path)


def _foreign(path: Path) -> DataError:
    return DataError(f"{path}: expected a store of events made by mmrec, found another file; name one that does not exist yet")


def _turn_on_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Turn on the write-ahead log. Where several processes make the file at once, SQLite does not wait for this by itself."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            break
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StorageError(f"{path}: expected a file system on which SQLite has its write-ahead log, found journal mode {mode}")
