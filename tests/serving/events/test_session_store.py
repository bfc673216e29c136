"""Sessions in every kind of store: entries are numbered, and a session ends once, with its events or not at all."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mmrec.serving import Event, EventStore, open_store
from mmrec.serving.events import event_store
from mmrec.serving.events.event_store import StoreFull
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.events.sealed_text import seal_text, unseal_text
from mmrec.serving.events.sqlite_store import SQLiteEventStore
from mmrec.serving.events.stored_session import StoredSession, StoredTurn

KEY = b"0123456789abcdef"


@pytest.fixture(params=[True, False], ids=["database", "memory"])
def store(request: pytest.FixtureRequest, new_store_url: Callable[[], str]) -> Iterator[EventStore]:
    store = open_store(new_store_url()) if request.param else MemoryEventStore()
    yield store
    store.close()


def begun(store: EventStore, name: str = "s", user: str | None = "ann", used: float = 100.0) -> StoredSession:
    session = StoredSession(name, user, "m-1", '["é"]', used)
    store.begin_session(session)
    return session


def test_a_session_comes_back_with_its_entries_in_order(store: EventStore) -> None:
    assert store.session("s") is None and not store.add_turn("s", 0, StoredTurn("a", "x"), 1.0)
    session = begun(store)
    assert store.session("s") == session or list(store.session("s").turns) == []
    turns = [StoredTurn("a", "first"), StoredTurn("b", "zweité", b"\0\xff")]
    for number, turn in enumerate(turns):
        assert store.add_turn("s", number, turn, 101.0 + number)
    found = store.session("s")
    assert (found.user_id, found.model, found.beginning, found.used, found.n_turns) == ("ann", "m-1", '["é"]', 102.0, 2)
    assert list(found.turns) == turns and list(store.session("s", 1).turns) == turns[1:] and not store.session("s", 9).turns
    store.use_session("s", 500.0)
    store.use_session("other", 500.0)
    assert store.session("s").used == 500.0 and store.session("other") is None


def test_of_two_entries_with_one_number_the_first_is_added(store: EventStore) -> None:
    begun(store)
    assert store.add_turn("s", 0, StoredTurn("a", "x"), 1.0)
    assert not store.add_turn("s", 0, StoredTurn("b", "y"), 2.0) and not store.add_turn("s", 2, StoredTurn("c", "z"), 2.0)
    found = store.session("s")
    assert [one.said for one in found.turns] == ["x"] and found.used == 1.0


def test_an_entry_that_is_sent_again_is_there_once(new_store_url: Callable[[], str]) -> None:
    with closing(open_store(new_store_url())) as store:
        begun(store)
        assert store.add_turn("s", 0, StoredTurn("a", "x"), 1.0) and store.add_turn("s", 0, StoredTurn("a", "x"), 1.0)
        assert store.session("s").n_turns == 1


def test_a_session_ends_once_with_its_events(store: EventStore) -> None:
    begun(store)
    early = store.session("s")
    store.add_turn("s", 0, StoredTurn("a", "x", b"picture"), 105.0)
    events = [Event("s-0", "ann", "i", 9.0, "like")]
    assert store.end_session(early, events) is None and not store.history("ann")
    late = store.session("s")
    assert store.end_session(late, events) == 1 and store.end_session(late, events) is None
    assert store.history("ann") == events and store.session("s") is None
    begun(store, "t")
    assert store.end_session(store.session("t"), []) == 0


def test_sessions_of_a_forgotten_user_are_removed(store: EventStore) -> None:
    begun(store)
    begun(store, "t", "bob")
    begun(store, "u", None)
    before = store.session("s")
    assert store.forget("ann") == 0 and store.session("s") is None
    assert store.end_session(before, [Event("s-0", "ann", "i", 9.0, "like")]) is None and not store.history("ann")
    assert store.session("t").user_id == "bob" and store.session("u").user_id is None


def test_the_oldest_and_those_that_are_too_many_are_to_end(store: EventStore) -> None:
    for number, name in enumerate("abcd"):
        begun(store, name, used=10.0 * number)
    assert sorted(store.sessions_to_end(10.0, 9)) == ["a"] and sorted(store.sessions_to_end(0.0, 2)) == ["a", "b"]
    assert sorted(store.sessions_to_end(25.0, 3)) == ["a", "b", "c"] and len(store.sessions_to_end(0.0, 0)) == 4


def test_pictures_of_sessions_are_bounded(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_store, "MAX_SESSION_PICTURE_BYTES", 5)
    begun(store)
    begun(store, "t")
    assert store.add_turn("s", 0, StoredTurn("a", "x", b"123"), 1.0)
    with pytest.raises(StoreFull, match="the pictures of sessions would take 6 bytes, more than 5"):
        store.add_turn("t", 0, StoredTurn("b", "x", b"456"), 2.0)
    assert store.session("t").n_turns == 0
    store.end_session(store.session("s"), [])
    assert store.add_turn("t", 0, StoredTurn("b", "x", b"456"), 2.0)


def test_two_processes_that_speak_at_once_lose_nothing(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    stores = [open_store(url), open_store(url)]
    begun(stores[0])

    def speak(number: int) -> None:
        for n in range(10):
            turn = StoredTurn(f"{number}-{n}", f"{number}-{n}")
            while not stores[number].add_turn("s", stores[number].session("s", 1000).n_turns, turn, 1.0):
                pass

    threads = [threading.Thread(target=speak, args=(number,)) for number in (0, 1)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    said = [one.said for one in stores[0].session("s").turns]
    assert sorted(said) == sorted(f"{number}-{n}" for number in (0, 1) for n in range(10))
    assert all([one for one in said if one[0] == str(number)] == [f"{number}-{n}" for n in range(10)] for number in (0, 1))
    for store in stores:
        store.close()


def test_with_a_key_the_user_of_a_session_cannot_be_read(tmp_path: Path) -> None:
    with closing(SQLiteEventStore(tmp_path / "events.db", KEY)) as store:
        begun(store, "s", "ann of the hill")
        assert store.session("s").user_id == "ann of the hill"
        with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
            assert "ann" not in str(connection.execute("SELECT * FROM mmrec_sessions").fetchall())
        assert store.forget("ann of the hill") == 0 and store.session("s") is None
    longest = "é" * 512
    assert unseal_text(seal_text(longest, KEY), KEY) == longest and seal_text("a", KEY) != seal_text("a", KEY)


def test_stores_of_earlier_versions_get_sessions(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    with closing(open_store(url)) as store:
        store.append([Event("a", "ann", "i", 1.0)])
        store._write(lambda transaction: [transaction.rows(f"DROP TABLE mmrec_{name}") for name in ("session_turns", "sessions")])
    with closing(open_store(url)) as store:
        begun(store)
        assert store.session("s").n_turns == 0 and len(store.history("ann")) == 1
