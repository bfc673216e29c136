"""mmrec.serving.service on a run made by hand: lists, events, cursors, filters, and other models."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import mmrec
from mmrec.serving.answer import Answer, Past, Wanted
from mmrec.serving.events.event import Event
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.filters import Condition
from mmrec.serving.refusal import CANNOT_ANSWER, DAMAGED_RUN, EXPIRED, INVALID, UNKNOWN_ITEM, UNKNOWN_RUN, Refused
from mmrec.serving.service import Service
from tests.serving.made_run import USERS, served, write_run

NOW = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "a")


@pytest.fixture
def service(folder: Path) -> Service:
    write_run(folder.with_name("b"), USERS[[1, 0, 2]])
    write_run(folder.with_name("damaged"))
    (folder.with_name("damaged") / "vectors.safetensors").write_bytes(b"no tensors")
    return Service(served(folder), MemoryEventStore(), lambda: NOW, lambda name: served(folder.with_name(name)))


def ids(answer: Answer) -> list[str]:
    return [one.item_id for one in answer.items]


def refused(kind: str, call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.kind == kind
    return str(caught.value)


def happens(service: Service, user: str, item: str, event: str = "click", at: float = NOW) -> None:
    service.add_events([Event(f"{user}-{item}-{event}-{at}", user, item, at, event)])


def test_users_of_the_run_get_what_the_run_recommends(service: Service, folder: Path) -> None:
    run = mmrec.open_run(folder)
    for user in ("1", "2", "3"):
        answer, wanted = service.recommend(user, Wanted(k=4)), run.recommend([user], k=4)
        assert [(one.item_id, one.rank, one.score) for one in answer.items] == wanted.select("item_id", "rank", "score").rows()
        assert answer.model == service.model.version and answer.model.startswith("a-") and answer.cursor is None
    assert service.recommend("1", Wanted()).items[0].title == "W"


def test_what_a_user_does_is_not_recommended_again_and_impressions_do_not_count(service: Service) -> None:
    happens(service, "2", "w", "impression")
    assert ids(service.recommend("2", Wanted())) == ["y", "w", "x"]
    happens(service, "2", "y")
    assert ids(service.recommend("2", Wanted())) == ["w", "x"]


def test_an_unknown_user_gets_what_is_popular_now(service: Service) -> None:
    answer = service.recommend("new", Wanted())
    assert ids(answer)[:2] == ["z", "x"] and "popular" in answer.reason
    for user in ("7", "8"):
        happens(service, user, "y")
        happens(service, user, "w", at=NOW - 30 * 86_400)
    assert ids(service.recommend("new", Wanted()))[:2] == ["y", "z"]


def test_an_event_of_an_unknown_user_counts_at_once(service: Service) -> None:
    happens(service, "new", "w")
    answer = service.recommend("new", Wanted())
    assert ids(answer)[0] == "x" and "w" not in ids(answer) and "popular" not in answer.reason


def test_a_dislike_withdraws_what_came_before(service: Service) -> None:
    happens(service, "new", "w", at=NOW - 2)
    happens(service, "new", "w", "dislike", at=NOW - 1)
    answer = service.recommend("new", Wanted())
    assert "popular" in answer.reason and "w" not in ids(answer)


def test_a_history_in_a_request_is_treated_as_one_that_is_stored(service: Service) -> None:
    answer = service.recommend_to_history([Past("w", 5.0), Past("y", 1.0, "dislike")], Wanted())
    assert ids(answer)[0] == "x" and not {"w", "y"} & set(ids(answer))
    assert "unknown" not in refused(UNKNOWN_ITEM, lambda: service.recommend_to_history([Past("nothing")], Wanted()))


def test_a_cursor_continues_a_list_until_it_ends(service: Service) -> None:
    whole, found, cursor = ids(service.recommend("3", Wanted(k=4))), [], None
    n_pages = 0
    while n_pages == 0 or cursor:
        n_pages += 1
        answer = service.recommend("3", Wanted(k=1, cursor=cursor))
        found += [(one.rank, one.item_id) for one in answer.items]
        cursor = answer.cursor
    assert n_pages == 4 and found == list(enumerate(whole, 1))
    cursor = service.recommend("3", Wanted(k=1)).cursor
    service.swap("b")
    refused(EXPIRED, lambda: service.recommend("3", Wanted(cursor=cursor)))
    for wrong in ("", "x", "é", "W10", "WzEsMl0", "a" * 1000):
        refused(INVALID, lambda wrong=wrong: service.recommend("3", Wanted(cursor=wrong)))


def test_filters_candidates_and_exclusions_hold_before_the_list_is_cut(service: Service) -> None:
    assert ids(service.recommend("3", Wanted(k=1, filters=[Condition("title", ("W", "Y"))]))) == ["w"]
    assert ids(service.recommend("3", Wanted(candidates=["y", "nothing"]))) == ["y"]
    assert ids(service.recommend("3", Wanted(k=2, exclude=["z", "x"]))) == ["w", "y"]
    assert "did you mean `title`" in refused(INVALID, lambda: service.recommend("3", Wanted(filters=[Condition("titel", ("W",))])))


def test_similar_items_are_those_of_the_run(service: Service, folder: Path) -> None:
    wanted = mmrec.open_run(folder).similar(["w"], k=3)
    answer = service.similar("w", "all", Wanted(k=3))
    assert ids(answer) == wanted["neighbour_id"].to_list()
    assert [one.score for one in answer.items] == pytest.approx(wanted["score"].to_list(), abs=1e-6)
    assert ids(service.similar("x", "collaborative", Wanted())) == ["z"]
    refused(UNKNOWN_ITEM, lambda: service.similar("nothing", "all", Wanted()))
    assert "data of the run" in refused(CANNOT_ANSWER, lambda: service.similar("w", "text", Wanted()))


def test_words_find_titles_where_there_is_no_encoder(service: Service) -> None:
    assert ids(service.search("a W or y", Wanted())) == ["w", "y"] and ids(service.search("nothing", Wanted())) == []
    assert ids(service.search("w y", Wanted(), user_id="2")) == ["y", "w"]
    assert "does not read pictures" in refused(CANNOT_ANSWER, lambda: service.search(b"picture", Wanted()))
    refused(INVALID, lambda: service.search(" ", Wanted()))


def test_another_model_takes_over_and_goes_back(service: Service) -> None:
    before, first = service.model.version, ids(service.recommend("1", Wanted()))
    assert service.swap("b").model.startswith("b-") and service.about().before == before
    assert service.recommend("1", Wanted()).model.startswith("b-") and ids(service.recommend("1", Wanted())) != first
    assert service.rollback().model == before and ids(service.recommend("1", Wanted())) == first


def test_a_damaged_run_is_refused_and_the_model_stays(service: Service) -> None:
    model = service.model
    assert "a-" in refused(DAMAGED_RUN, lambda: service.swap("damaged"))
    assert service.model is model
    refused(UNKNOWN_RUN, service.rollback)


def test_answers_come_from_one_model_while_others_take_over(service: Service) -> None:
    """A model that is taken away in the middle of an answer still finishes it."""
    model = service.model

    def history(user_id: str, limit: int = 1000) -> list[Event]:
        service.swap("b")
        return []

    service.store.history = history
    answer = service.recommend("1", Wanted())
    assert answer.model == model.version and service.model is not model
    assert torch.tensor([one.score for one in answer.items]).tolist() == [1.0, 0.0]
