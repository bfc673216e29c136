"""Processes with one store serve the same run: what one is asked for, the others follow, and so does one that is started again."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import mmrec
from mmrec.serving.answer import Wanted
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.refusal import UNKNOWN_RUN, Refused
from mmrec.serving.run_choice import AGAIN_AFTER_S
from mmrec.serving.service import Service
from tests.serving.made_run import USERS, served, write_run

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """`start("a")`: a process that is started with run a. All have one store; the clock is `start.clock`."""
    for name in ("a", "b", "c"):
        write_run(tmp_path / name, USERS[[1, 0, 2]] if name == "b" else USERS)
    store = MemoryEventStore()

    def make(run: str) -> Service:
        return Service(served(tmp_path / run), store, lambda: make.clock, lambda name: served(tmp_path / name))

    make.clock, make.folder = 0.0, tmp_path
    return make


def runs(*services: Service) -> list[str]:
    for one in services:
        one.refresh()
    return [one.model.run for one in services]


def test_what_one_process_is_asked_for_the_others_follow(start: Start) -> None:
    one, other = start("a"), start("a")
    before = other.model
    assert not other.refresh()
    one.swap("b")
    assert other.refresh() and not other.refresh() and not one.refresh()
    assert other.about() == one.about() and other.about().before == before.version
    assert other.recommend("1", Wanted()) == one.recommend("1", Wanted())
    other.rollback()
    assert runs(one, other) == ["a", "a"] and other.model.scorer is before.scorer
    assert one.rollback().run == "b" and runs(other, one) == ["b", "b"]


def test_the_latest_choice_counts_whoever_made_it(start: Start) -> None:
    one, other = start("a"), start("a")
    one.swap("b")
    other.swap("c")  # it does not know of b yet
    assert runs(one, other) == ["c", "c"] and one.about().before == other.about().before
    assert other.rollback().run == "b" and runs(one) == ["b"]


def test_a_process_that_is_started_again_serves_what_was_chosen(start: Start) -> None:
    start("a").swap("b")
    again = start("a")
    assert again.model.run == "b" and again.rollback().run == "a"


def test_one_that_is_started_with_another_run_serves_that_until_somebody_chooses(start: Start) -> None:
    one = start("a")
    one.swap("b")
    new = start("c")
    assert runs(one, new) == ["b", "c"]
    with pytest.raises(Refused) as caught:
        new.rollback()
    assert caught.value.kind == UNKNOWN_RUN
    new.swap("a")
    assert runs(one, new) == ["a", "a"] and new.about().before.startswith("c-")


def test_a_run_that_cannot_be_opened_is_tried_again(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    one, other = start("a"), start("a")
    one.swap("b")
    file = start.folder / "b" / "vectors.safetensors"
    content = file.read_bytes()
    file.write_bytes(b"no tensors")
    with caplog.at_level(logging.ERROR):
        assert runs(other, other) == ["a", "a"]
    (line,) = caplog.messages
    assert "others serve b-" in line and "b cannot be served, a-" in line
    file.write_bytes(content)
    assert runs(other) == ["a"]
    start.clock = AGAIN_AFTER_S
    assert runs(other) == ["b"]


def test_a_folder_that_was_written_again_is_another_version(start: Start) -> None:
    one, other = start("a"), start("a")
    one.swap("b")
    assert runs(other) == ["b"]
    (start.folder / "b" / "run.json").write_text(json.dumps({"model": "ours", "name": "again"}))
    version = one.swap("b").model
    assert other.refresh() and other.model.version == version


def test_a_choice_that_is_not_stored_changes_nothing(start: Start) -> None:
    one = start("a")
    model, one.store.serve_run = one.model, None
    with pytest.raises(TypeError):
        one.swap("b")
    assert one.model is model and one.about().before is None


def test_replicas_that_are_told_of_a_run_do_not_undo_what_was_chosen_since(start: Start) -> None:
    one, other = start("a"), start("a")
    assert one.reconfigure("a").run == "a" and one.store.served_run() is None
    assert [service.reconfigure("b").run for service in (one, other)] == ["b", "b"] and one.store.served_run().generation == 1
    other.swap("c")
    new = start("a")
    assert new.reconfigure("b").run == "c" and runs(one, new) == ["c", "c"]
    with pytest.raises(Refused):
        new.reconfigure("nothing")
    assert new.reconfigure("b").run == "c" and one.reconfigure("a").run == "a" and runs(other, new) == ["a", "a"]


def test_a_service_begins_with_what_was_chosen(start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    for wanted in ("a", "b"):
        service = mmrec.open_run(tmp_path / "a").service(url)
        assert service.model.run == wanted and (wanted == "a" or "took the place of a" in caplog.text)
        service.swap("b")
        service.store.close()
    (tmp_path / "b" / "run.json").unlink()
    service = mmrec.open_run(tmp_path / "a").service(url)
    assert service.model.run == "a" and "a takes its place" in caplog.text
    service.store.close()
