"""What every event store promises, asked of each kind of store."""

import hashlib
import threading
from collections.abc import Callable, Iterator

import polars as pl
import pytest

from mmrec.errors import ConfigError, DataError, StorageError
from mmrec.serving import Event, EventStore, open_store
from mmrec.serving.events import event_store
from mmrec.serving.events.event_store import FRAME_SCHEMA, StoreFull
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.events.served_run import RunVersion, ServedRun

KEY = b"0123456789abcdef"


@pytest.fixture
def store(new_store_url: Callable[[], str]) -> Iterator[EventStore]:
    store = open_store(new_store_url())
    yield store
    store.close()


def events(*ids: str, user: str = "ann", **fields: object) -> list[Event]:
    """Clicks on i0, i1, … at seconds 100, 101, …"""
    return [Event(**{"event_id": one, "user_id": user, "item_id": f"i{n}", "timestamp": 100.0 + n, **fields}) for n, one in enumerate(ids)]


def test_events_come_back_as_they_were_oldest_first(store: EventStore) -> None:
    first = Event("a", "zoë", "it\u2028em", 5.25, "impression", 3, 0.125, "run-1")
    assert store.append([Event("b", "zoë", "x", 7.5), first]) == 2
    assert store.history("zoë") == [first, Event("b", "zoë", "x", 7.5)]
    assert store.history("zoë", limit=1) == [Event("b", "zoë", "x", 7.5)]
    assert store.history("nobody") == store.history("a\0b") == store.history("\ud800") == []


def test_events_of_one_moment_keep_the_order_in_which_they_came(store: EventStore) -> None:
    same = events("z", "m", "a", timestamp=1.0)
    store.append(same)
    assert store.history("ann") == same and store.history("ann", limit=2) == same[1:]


def test_an_event_sent_again_changes_nothing(store: EventStore) -> None:
    assert store.append([]) == 0
    assert store.append(events("a", "b", "a")) == 2
    assert store.append(events("a", "b", "c")) == 1
    assert store.append(events("c", user="bob")) == 0
    assert [one.event_id for one in store.history("ann")] == ["a", "b", "c"] and not store.history("bob")


def test_events_survive_closing(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    for expected in ([], events("a", "b")):
        store = open_store(url)
        assert store.history("ann") == expected
        store.append(events("a", "b"))
        store.close()
        store.close()
        with pytest.raises(StorageError, match="closed"):
            store.append(events("c"))
        with pytest.raises(StorageError, match="closed"):
            store.history("ann")


def test_a_forgotten_user_leaves_no_event(store: EventStore) -> None:
    store.append(events("a", "b") + events("c", user="bob"))
    assert store.forget("ann") == 2 and store.forget("ann") == 0 and store.forget("\ud800") == 0
    assert not store.history("ann") and len(store.history("bob")) == 1
    assert store.export()["user_id"].to_list() == ["bob"]


def test_popular_counts_users_since_a_moment(store: EventStore) -> None:
    def one(number: int, user: str, item: str, timestamp: float, event: str = "click") -> Event:
        return Event(f"e{number}", user, item, timestamp, event)

    store.append([one(n, "ann", "often", 50.0 + n) for n in range(5)])
    store.append([one(10 + n, user, "both", 60.0) for n, user in enumerate(("ann", "bob"))])
    store.append([one(20 + n, user, "old", 10.0) for n, user in enumerate(("ann", "bob", "eve"))])
    store.append([one(30 + n, user, "shown", 60.0, "impression") for n, user in enumerate(("ann", "bob", "eve"))])
    store.append([one(40 + n, user, "bad", 60.0, "dislike") for n, user in enumerate(("ann", "bob", "eve"))])
    store.append([one(50, "eve", "Often", 60.0), one(51, "bob", "gone", 60.0), one(52, "eve", "gone", 60.0)])
    store.delete_item("gone")
    assert store.popular(50.0, 10) == [("both", 2.0), ("Often", 1.0), ("often", 1.0)]
    assert store.popular(50.0, 1) == [("both", 2.0)]
    assert store.popular(0.0, 1) == [("old", 3.0)] and store.popular(1000.0, 5) == []


def test_items_are_put_replaced_removed_and_brought_back(store: EventStore) -> None:
    assert list(store.items()) == [] and store.items_version() == 0
    fields = {"title": "Lämp", "price": 9.5, "tags": ["a", {"b": None}], "image": b"\x00\xff", "bytes": {"image": "no"}}
    store.put_item("a", fields)
    store.put_item("b", {})
    assert list(store.items()) == [("a", fields, False), ("b", {}, False)]
    before = store.items_version()
    store.delete_item("a")
    store.delete_item("never")
    assert list(store.items()) == [("b", {}, False), ("a", {}, True), ("never", {}, True)]
    store.put_item("a", {"title": "again"})
    assert list(store.items())[-1] == ("a", {"title": "again"}, False)
    assert store.items_version() == before + 3


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", {"a": b"nested"}])
def test_fields_that_cannot_be_stored_are_refused_by_name(store: EventStore, value: object) -> None:
    with pytest.raises(DataError, match=r"^price: expected a value that JSON can hold"):
        store.put_item("a", {"title": "x", "price": value})
    with pytest.raises(DataError, match=r"^item_id: "):
        store.put_item("", {})
    assert list(store.items()) == []


def test_pictures_are_kept_once_while_an_item_has_them(new_store_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_store_url()
    store = open_store(url)
    store.put_item("a", {"title": "x"}, b"one")
    store.put_item("b", {}, b"one")
    store.put_item("c", {}, b"other")
    one, other = (hashlib.sha256(content).hexdigest() for content in (b"one", b"other"))
    store.close()
    store = open_store(url)
    assert store.picture(one) == b"one" and store.picture(other) == b"other" and store.picture("nothing") is None
    monkeypatch.setattr(event_store, "MAX_PICTURE_BYTES", 10)
    with pytest.raises(StoreFull, match="the pictures of items would take 12 bytes, more than 10; remove items first"):
        store.put_item("d", {}, b"four")
    assert [item_id for item_id, _, _ in store.items()] == ["a", "b", "c"] and store.items_version() == 3
    store.put_item("c", {}, b"an")
    assert store.picture(other) is None
    store.delete_item("a")
    assert store.picture(one) == b"one"
    store.put_item("b", {})
    assert store.picture(one) is None
    store.close()


def test_pictures_are_kept_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store, one = MemoryEventStore(), hashlib.sha256(b"one").hexdigest()
    store.put_item("a", {}, b"one")
    monkeypatch.setattr(event_store, "MAX_PICTURE_BYTES", 4)
    with pytest.raises(StoreFull):
        store.put_item("b", {}, b"two")
    assert store.picture(one) == b"one" and len(list(store.items())) == 1
    store.delete_item("a")
    assert store.picture(one) is None


def test_export_has_all_fields_oldest_first(store: EventStore) -> None:
    assert store.export().schema == pl.Schema(FRAME_SCHEMA) and store.export().is_empty()
    store.append([Event("b", "bob", "x", 7.0), Event("a", "ann", "y", 5.0, "impression", 2, 0.5, "m")])
    assert store.export().schema == pl.Schema(FRAME_SCHEMA)
    assert store.export().rows() == [("a", "ann", "y", 5.0, "impression", 2, 0.5, "m"), ("b", "bob", "x", 7.0, "click", None, None, None)]


def test_threads_and_several_stores_of_one_url_lose_and_double_nothing(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    opened: list[EventStore] = []
    openers = [threading.Thread(target=lambda: opened.append(open_store(url))) for _ in range(4)]
    new: list[int] = []

    def write(number: int) -> None:
        for n in range(20):  # every event is sent by two threads, in opposite orders
            batch = events(*(f"{number // 2}-{n}-{i}" for i in range(3)), user=f"u{number // 2}")
            new.append(opened[number % len(opened)].append(batch if number % 2 else batch[::-1]))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for threads in (openers, writers):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 4 and len(new) == 160 and sum(new) == 240
    assert all(len(opened[0].history(f"u{number}")) == 60 for number in range(4))
    opened[1].put_item("seen by others", {})
    assert opened[2].items_version() == 1
    for one in opened:
        one.close()


def test_with_a_key_user_ids_are_stored_as_hashes(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    store = open_store(url, KEY)
    store.append(events("a", "b") + events("c", user="bob"))
    assert [one.user_id for one in store.history("ann")] == ["ann", "ann"]
    users = store.export().sort("event_id")["user_id"].to_list()
    assert users[0] == users[1] != users[2] and all(len(user) == 64 for user in users)
    assert store.forget("ann") == 2
    store.close()
    for key, found in ((None, "found none"), (KEY[::-1], "found another")):
        with pytest.raises(ConfigError, match=f"stored as keyed hashes; .*{found}"):
            open_store(url, key)
    plain = new_store_url()
    open_store(plain).close()
    with pytest.raises(ConfigError, match="stored without a key"):
        open_store(plain, KEY)


@pytest.mark.parametrize(
    "url", ["sqlite:/events.db", "sqlite://events.db", "sqlite:///", "sqlite:///:memory:", "redis://x", "events.db", ""]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^store: expected sqlite:///path or postgresql://…, found "):
        open_store(url)


def test_a_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^user_key: expected at least 16 bytes, found 3"):
        open_store("sqlite:///x.db", b"abc")


def test_the_choice_of_a_run_is_made_by_one_process_at_a_time_and_kept(new_store_url: Callable[[], str]) -> None:
    url = new_store_url()
    stores = [open_store(url), open_store(url)]
    assert stores[0].served_run() is None

    def change(found: ServedRun | None) -> ServedRun:
        before = None if found is None else found.chosen
        generation = 1 if found is None else found.generation + 1
        return ServedRun(generation, "ä", RunVersion("b", f"b-{generation}"), before)

    threads = [threading.Thread(target=lambda store=store: [store.serve_run(change) for _ in range(10)]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = ServedRun(20, "ä", RunVersion("b", "b-20"), RunVersion("b", "b-19"))
    assert stores[0].served_run() == stores[1].served_run() == wanted
    for store in stores:
        store.close()
    store = open_store(url)
    assert store.served_run() == wanted and store.items_version() == 0
    store.close()
