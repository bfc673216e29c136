"""Several processes have one session: each goes on where the other has been, and together they keep what is left of it once."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmrec.errors import StorageError
from mmrec.serving.events.event import Event
from mmrec.serving.events.store_urls import open_store
from mmrec.serving.refusal import SESSION_FULL, SESSION_GONE, UNKNOWN_SESSION, Refused
from mmrec.serving.service import Service
from mmrec.serving.sessions import open_sessions
from mmrec.serving.sessions.open_sessions import OpenSessions
from mmrec.serving.sessions.session_entry import SessionEntry, ratings_of
from tests.serving.made_run import USERS, served, write_run

Start = Callable[..., tuple[Service, OpenSessions]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start()`: a process, with its own connection to one store; the clock is `start.now`."""
    for name in ("a", "b", "c"):
        write_run(tmp_path / name, USERS if name == "a" else USERS[[1, 0, 2]])
    stores = []

    def make(run: str = "a", **options: float) -> tuple[Service, OpenSessions]:
        stores.append(open_store(f"sqlite:///{tmp_path / 'events.db'}"))
        service = Service(served(tmp_path / run), stores[-1], lambda: make.now, lambda name: served(tmp_path / name))
        return service, OpenSessions(service, **options)

    make.now, make.folder = 1_700_000_000.0, tmp_path
    yield make
    for store in stores:
        store.close()


def like(item: str) -> SessionEntry:
    return SessionEntry("like", item)


def say(words: str) -> SessionEntry:
    return SessionEntry("critique", words)


def items(sessions: OpenSessions, name: str, k: int = 4) -> list[str]:
    return [one.item_id for one in sessions.recommend(name, k).items]


def test_each_process_goes_on_where_the_other_has_been(start: Start) -> None:
    (_, one), (_, other) = start(), start()
    name = one.begin("2").session
    assert items(other, name) == ["y", "w", "x"]
    assert other.tell(name, like("x")).n_turns == 1 and items(one, name) == items(other, name) == ["w", "y"]
    assert one.tell(name, say("dislike 1")).answer == "you dislike “W”"  # of the list above
    assert other.tell(name, SessionEntry("undo")).answer == "undone: dislike 1"
    unread = one.tell(name, say("ceci n'est rien"))
    assert not unread.is_understood and unread.n_turns == 1
    told = other.tell(name, say("less of title Y"))
    assert told.is_understood and told == one.tell(name, say("less of title Y")).__class__(**vars(told))
    _, third = start()
    assert third.recommend(name, 4) == one.recommend(name, 4) == other.recommend(name, 4)


def test_what_the_user_does_elsewhere_does_not_change_an_open_session(start: Start) -> None:
    (service, one), (_, other) = start(), start()
    known, new = one.begin("3").session, one.begin("stranger").session
    before = one.recommend(known, 4), one.recommend(new, 4)
    service.add_events([Event(f"{user}-{item}", user, item, start.now, "like") for user in ("3", "stranger", "4") for item in ("x", "z")])
    assert (other.recommend(known, 4), other.recommend(new, 4)) == before


def test_feedback_of_two_processes_at_once_counts_all(start: Start) -> None:
    processes = [start()[1], start()[1]]
    name = processes[0].begin().session
    failed = []

    def speak(sessions: OpenSessions, item: str) -> None:
        try:
            for _ in range(5):
                sessions.tell(name, like(item))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=speak, args=pair) for pair in zip(processes, "wx", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and processes[0].tell(name, like("y")).n_turns == processes[1].tell(name, like("y")).n_turns - 1 == 11
    assert items(processes[0], name) == items(processes[1], name) == ["z"]


def test_who_cannot_write_says_so_and_changes_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service, sessions = start()
    name = sessions.begin("2").session
    with monkeypatch.context() as patched:
        patched.setattr(type(service.store), "add_turn", lambda *_: False)
        with pytest.raises(StorageError, match="other processes changed it"):
            sessions.tell(name, like("x"))
    assert items(sessions, name) == ["y", "w", "x"]


def test_sessions_survive_a_restart_and_are_kept_once_whoever_ends_them(start: Start) -> None:
    service, sessions = start(idle_s=60)
    name = sessions.begin("2").session
    sessions.tell(name, like("w"))
    service.store.close()
    (service, one), (_, other) = start(idle_s=60), start(idle_s=60)
    assert one.tell(name, say("dislike X")).n_turns == 2 and len(one) == len(other) == 1
    start.now += 61
    threads = [threading.Thread(target=each.end_expired) for each in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(kept.item_id, kept.event, kept.model) for kept in service.store.history("2")] == [
        ("w", "like", service.model.version),
        ("x", "dislike", service.model.version),
    ]
    for each in (one, other):
        with pytest.raises(Refused) as caught:
            each.recommend(name, 1)
        assert caught.value.kind == UNKNOWN_SESSION and not len(each)


def test_a_session_that_another_process_uses_does_not_expire(start: Start) -> None:
    (_, one), (_, other) = start(idle_s=60), start(idle_s=60)
    name = one.begin("2").session
    for _ in range(4):
        start.now += 40
        one.end_expired()
        items(other, name)
    assert items(one, name)


def test_the_bound_counts_the_sessions_of_all_processes(start: Start) -> None:
    (service, one), (_, other) = start(max_sessions=2), start(max_sessions=2)
    first = one.begin("1").session
    one.tell(first, like("w"))
    for process in (other, one):
        start.now += 1
        process.begin("2")
    assert len(one) == 2 and [kept.item_id for kept in service.store.history("1")] == ["w"]
    with pytest.raises(Refused, match="no such session"):
        one.recommend(first, 1)


def test_of_a_forgotten_user_no_process_has_a_session(start: Start) -> None:
    (service, one), (_, other) = start(), start()
    name = one.begin("2").session
    other.tell(name, like("x"))
    service.delete_user("2")
    one.forget("2")
    for each in (one, other):
        with pytest.raises(Refused, match="no such session"):
            each.tell(name, like("y"))
        each.end_expired()
    assert not service.store.history("2")


def test_a_session_keeps_its_model_while_that_is_the_one_before(start: Start) -> None:
    (service, one), (other_service, other) = start(), start()
    old = one.begin("1").session
    before = one.recommend(old, 4)
    service.swap("b")
    new = one.begin("1").session
    assert new and other_service.model.run == "a"  # it has not followed yet
    assert other.recommend(new, 4).model == service.model.version != before.model and other_service.model.run == "b"
    assert one.recommend(old, 4) == other.recommend(old, 4) == before
    _, restarted = start()
    assert restarted.recommend(old, 4) == before and restarted.tell(old, like("w")).model == before.model
    service.swap("c")
    for each in (one, start()[1]):
        with pytest.raises(Refused, match="is not at hand any more: it began with another one than the two") as caught:
            each.recommend(old, 4)
        assert caught.value.kind == SESSION_GONE
    assert one.end(old).events == 1 and [kept.item_id for kept in service.store.history("1")] == ["w"]


def test_a_model_that_was_written_again_is_gone(start: Start) -> None:
    service, one = start()
    old = one.begin("1").session
    service.swap("b")
    (start.folder / "a").rename(start.folder / "elsewhere")
    assert one.recommend(old, 1)  # from memory
    with pytest.raises(Refused) as caught:
        start("b")[1].recommend(old, 1)
    assert caught.value.kind == SESSION_GONE


def test_items_that_are_removed_leave_open_sessions(start: Start) -> None:
    (service, one), (other_service, other) = start(), start()
    name = one.begin("2").session
    assert items(one, name) == items(other, name) == ["y", "w", "x"]
    one.tell(name, say("like Y"))
    service.delete_item("w")
    other_service.refresh()
    assert items(one, name) == items(other, name) == ["x"] and other.tell(name, SessionEntry("undo")).answer == "undone: like Y"


def test_a_session_is_full_in_the_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_sessions, "MAX_ENTRIES", 3)
    _, sessions = start()
    name = sessions.begin("2").session
    for item in "wxy":
        sessions.tell(name, like(item))
    with pytest.raises(Refused, match="at most 3 turns") as caught:
        sessions.tell(name, like("z"))
    assert caught.value.kind == SESSION_FULL and sessions.recommend(name, 4).items == [] and sessions.end(name).events == 3


def test_what_was_taken_back_is_not_kept() -> None:
    said = [SessionEntry("like", item, effect="added", rated=(item, "like")) for item in "ab"]
    critique, undo = SessionEntry("critique", "cheaper", effect="added"), SessionEntry("undo", effect="undone")
    assert ratings_of([said[0], critique, undo, undo, said[1], SessionEntry("list", k=5)]) == [("b", "like")]
    assert len(ratings_of(said * 150)) == 200


def test_entries_come_back_as_they_were() -> None:
    entry = SessionEntry("picture", "wie “das”", b"\0", effect="added", rated=("é", "like"))
    shown = SessionEntry("list", k=3, rerank=("mmr", "capped:brand"))
    assert [SessionEntry.from_turn(one.to_turn()) for one in (entry, shown)] == [entry, shown]
