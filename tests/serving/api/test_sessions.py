"""Sessions over HTTP: what is said changes the list at once, sessions expire and are bounded, and what is left of them are events."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import mmrec
from mmrec.serving.api.app import make_app
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.refusal import Refused
from mmrec.serving.service import Service
from mmrec.serving.sessions.open_sessions import OpenSessions
from mmrec.serving.sessions.session_entry import SessionEntry
from tests.serving.made_run import served, write_run


class Clock:
    """A clock that is set."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Service:
    return Service(served(write_run(tmp_path / "a")), MemoryEventStore(), clock)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(make_app(service), raise_server_exceptions=False) as client:
        yield client


def listed(client: TestClient, name: str, **params: str) -> list[str]:
    answer = client.get(f"/v1/sessions/{name}/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def test_a_dialogue_changes_the_list_and_its_likes_are_kept(client: TestClient, service: Service) -> None:
    began = client.post("/v1/sessions", json={"user_id": "2"})
    assert began.status_code == 201 and began.json()["model"] == service.model.version and began.json()["n_turns"] == 0
    name = began.json()["session"]
    assert listed(client, name) == ["y", "w", "x"]
    told = client.post(f"/v1/sessions/{name}/feedback", json={"like": "x"}).json()
    assert told["is_understood"] and told["answer"] == "you like “X”" and listed(client, name) == ["w", "y"]
    told = client.post(f"/v1/sessions/{name}/feedback", json={"critique": "dislike W"}).json()
    assert told["n_turns"] == 2 and listed(client, name) == ["y"]
    assert client.post(f"/v1/sessions/{name}/feedback", json={"undo": True}).json()["answer"] == "undone: dislike W"
    unread = client.post(f"/v1/sessions/{name}/feedback", json={"critique": "ceci n'est rien"}).json()
    assert not unread["is_understood"] and "You can say" in unread["answer"] and unread["n_turns"] == 1
    assert client.delete(f"/v1/sessions/{name}").json() == {"session": name, "events": 1}
    assert [(one.item_id, one.event) for one in service.store.history("2")] == [("x", "like")]
    assert client.get(f"/v1/sessions/{name}/recommendations").status_code == 404


def test_a_session_of_nobody_leaves_nothing(client: TestClient, service: Service) -> None:
    name = client.post("/v1/sessions", json={"history": ["w"]}).json()["session"]
    client.post(f"/v1/sessions/{name}/feedback", json={"like": "x"})
    assert set(listed(client, name)) == {"y", "z"} and client.delete(f"/v1/sessions/{name}").json()["events"] == 0
    assert not service.store.export().height


def test_lists_can_be_reranked(client: TestClient) -> None:
    name = client.post("/v1/sessions", json={"user_id": "3"}).json()["session"]
    plain = client.get("/v1/users/3/recommendations").json()["items"]
    diverse = client.get("/v1/users/3/recommendations", params={"rerank": "mmr"}).json()["items"]
    assert {one["item_id"]: one["score"] for one in diverse} == {one["item_id"]: one["score"] for one in plain}
    assert diverse[0] == plain[0] and [one["rank"] for one in diverse] == [1, 2, 3, 4]
    capped = client.get("/v1/users/3/recommendations", params={"rerank": "capped:title", "k": 2}).json()
    rest = client.get("/v1/users/3/recommendations", params={"rerank": "capped:title", "cursor": capped["cursor"]}).json()
    assert len({one["item_id"] for one in (*capped["items"], *rest["items"])}) == 4
    assert set(listed(client, name, rerank="mmr")) == set(listed(client, name))
    body = {"history": [{"item_id": "w"}], "rerank": ["dpp"]}
    assert len(client.post("/v1/recommendations", json=body).json()["items"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("POST", "/v1/sessions", {"user_id": "1", "history": ["w"]}, 422, "expected a user or a history"),
        ("POST", "/v1/sessions", {"history": ["nothing"]}, 404, "no item `nothing`"),
        ("POST", "/v1/sessions", {"language": "fr"}, 422, ""),
        ("POST", "/v1/sessions/NAME/feedback", {}, 422, ""),
        ("POST", "/v1/sessions/NAME/feedback", {"like": "w", "undo": True}, 422, ""),
        ("POST", "/v1/sessions/NAME/feedback", {"like": "nothing"}, 404, "`nothing` is not among the items"),
        ("POST", "/v1/sessions/NAME/feedback", {"critique": "a" * 501}, 422, ""),
        ("POST", "/v1/sessions/NAME/feedback", {"picture": "?"}, 422, "expected base64"),
        ("POST", "/v1/sessions/NAME/feedback", {"picture": "AAAA"}, 409, "does not read pictures"),
        ("POST", "/v1/sessions/other/feedback", {"like": "w"}, 404, "there is no such session"),
        ("DELETE", "/v1/sessions/other", None, 404, "there is no such session"),
        ("GET", "/v1/sessions/NAME/recommendations?rerank=mrm", None, 422, "did you mean `mmr`"),
        ("GET", "/v1/users/3/recommendations?rerank=mmr,mmr,mmr,mmr,mmr,mmr", None, 422, "expected at most 5 methods, found 6"),
        ("GET", "/v1/sessions/NAME/recommendations?explain=true", None, 409, "cannot explain"),
        ("GET", "/v1/users/3/recommendations?rerank=xquad:genre", None, 409, "no column `genre`"),
        ("GET", "/v1/users/1/recommendations?explain=true", None, 409, "cannot explain"),
        ("GET", "/v1/explanations?user_id=1&item_id=nothing", None, 404, "no item `nothing`"),
        ("GET", "/v1/explanations?user_id=stranger&item_id=w", None, 409, "users of the run"),
    ],
)
def test_mistakes_are_problems(client: TestClient, method: str, path: str, body: object, status: int, detail: str) -> None:
    name = client.post("/v1/sessions", json={"user_id": "3"}).json()["session"]
    content = None if body is None else json.dumps(body)
    answer = client.request(method, path.replace("NAME", name), content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json", answer.text
    assert detail in answer.json()["detail"]


def test_who_is_forgotten_leaves_nothing_of_a_session(client: TestClient, service: Service) -> None:
    name = client.post("/v1/sessions", json={"user_id": "2"}).json()["session"]
    client.post(f"/v1/sessions/{name}/feedback", json={"like": "x"})
    assert client.delete("/v1/users/2").status_code == 200 and client.delete(f"/v1/sessions/{name}").status_code == 404
    assert not service.store.history("2")


def test_nobody_is_explained_nothing(client: TestClient) -> None:
    name = client.post("/v1/sessions", json={}).json()["session"]
    answer = client.get(f"/v1/sessions/{name}/recommendations", params={"explain": "true"})
    assert answer.status_code == 409 and "this session is nobody's" in answer.json()["detail"]


def test_sessions_expire_and_are_bounded_and_their_events_are_kept(service: Service, clock: Clock) -> None:
    sessions = OpenSessions(service, max_sessions=2, idle_s=60)
    first, second = (sessions.begin(user).session for user in ("1", "2"))
    sessions.tell(first, SessionEntry("like", "w"))
    sessions.tell(second, SessionEntry("like", "w"))
    clock.now += 30
    sessions.recommend(first, 2)
    sessions.begin("3")  # ends the second, which was used least recently
    assert len(sessions) == 2 and [one.item_id for one in service.store.history("2")] == ["w"]
    with pytest.raises(Refused, match="no such session"):
        sessions.recommend(second, 2)
    clock.now += 61
    sessions.end_expired()
    assert not len(sessions) and [one.item_id for one in service.store.history("1")] == ["w"]


def test_a_run_has_sessions_without_a_network(tmp_path: Path) -> None:
    session = mmrec.open_run(write_run(tmp_path / "a")).session("2")
    assert session.recommend(1)["item_id"].to_list() == ["y"] and session.dislike("y").recommend(2)["item_id"].to_list() == ["w", "x"]
