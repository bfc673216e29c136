"""What is special to a store in a file: what it refuses, who may read it, and that nothing removed stays in it."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from mmrec.errors import DataError, MissingFile, StorageError
from mmrec.serving.events.event import Event
from mmrec.serving.events.sqlite_store import SQLiteEventStore


def write_foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def write_garbage_after_the_header(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)


def write_text(path: Path) -> None:
    path.write_text("user_id,item_id\n1,2\n")


@pytest.mark.parametrize("write", [write_foreign_database, write_garbage_after_the_header, write_text])
def test_a_foreign_file_is_refused_and_left_as_it_was(write: object, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    write(path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"events\.db: expected a store of events made by mmrec, found another file; name one"):
        SQLiteEventStore(path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["events.db"]


def test_a_store_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    SQLiteEventStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE mmrec_settings SET value = '2' WHERE name = 'schema'")
    connection.close()
    with pytest.raises(DataError, match="expected a store with schema 1, found 2; use a newer mmrec"):
        SQLiteEventStore(path)


def test_no_folder_and_a_folder_in_place_of_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"none: expected a folder"):
        SQLiteEventStore(tmp_path / "none" / "events.db")
    with pytest.raises(DataError, match="found something that is no file"):
        SQLiteEventStore(tmp_path)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    store = SQLiteEventStore(tmp_path / "events.db")
    store.append([Event("a", "ann", "x", 1.0)])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    store.close()


def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    store = SQLiteEventStore(tmp_path / "events.db")
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_forgotten_user_is_in_no_byte_of_the_files(tmp_path: Path) -> None:
    store = SQLiteEventStore(tmp_path / "events.db")
    for n in range(50):
        store.append([Event(f"{n}", "ann-the-first", "x", 1.0), Event(f"b{n}", "bob-the-second", "x", 1.0)])
    store.forget("ann-the-first")
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ann-the-first" not in content and b"bob-the-second" in content
    store.close()


def test_a_transaction_that_fails_stores_nothing(tmp_path: Path) -> None:
    store = SQLiteEventStore(tmp_path / "events.db")
    damaged = Event("b", "ann", "x", 1.0)
    object.__setattr__(damaged, "position", {})  # SQLite has no such type
    with pytest.raises(StorageError, match=r"events\.db: "):
        store.append([Event("a", "ann", "x", 1.0), damaged])
    assert not store.history("ann")
    assert store.append([Event("a", "ann", "x", 1.0)]) == 1
    store.close()


def test_a_backup_of_a_store_in_use_and_old_events_removed_as_the_guide_says(tmp_path: Path) -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "serving_operations.md").read_text()
    (remove,) = re.findall(r"^DELETE FROM mmrec_events .*$", guide, re.MULTILINE)
    (limit,) = re.findall(r"timestamp < (\d+)", remove)
    assert 'events.sqlite ".backup copy.sqlite"' in guide
    store = SQLiteEventStore(tmp_path / "events.db")
    store.append([Event(name, "ann", "i", float(limit) + seconds) for name, seconds in (("old", -1), ("new", 1))])
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "copy")) as to,
    ):
        source.backup(to)  # as `.backup` does
        source.execute(remove.partition(";")[0])
        source.commit()
    assert [one.event_id for one in store.history("ann")] == ["new"]
    store.close()
    copy = SQLiteEventStore(tmp_path / "copy")
    assert [one.event_id for one in copy.history("ann")] == ["old", "new"]
    copy.close()
