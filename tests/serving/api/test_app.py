"""mmrec.serving.api over the in-process client: routes, problems, hostile requests, and what happens when too many wait."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import mmrec
from mmrec.serving.api.app import make_app
from mmrec.serving.service import Service
from tests.serving.made_run import write_run

PROBLEM = "application/problem+json"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    write_run(tmp_path / "b")
    return mmrec.open_run(write_run(tmp_path / "a")).service()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(make_app(service), raise_server_exceptions=False) as client:
        yield client


def test_a_list_an_event_and_the_next_list(client: TestClient, service: Service) -> None:
    first = client.get("/v1/users/2/recommendations", params={"k": 2}).json()
    assert [one["item_id"] for one in first["items"]] == ["y", "w"] and first["model"] == service.model.version
    assert set(first["items"][0]) == {"item_id", "rank", "score", "title", "image"} and first["reason"]
    event = {"event_id": "e", "user_id": "2", "item_id": "y"}
    stored = [client.post("/v1/events", json=body) for body in (event, [event, {**event, "event_id": "f", "item_id": "w"}])]
    assert [(one.status_code, one.json()["received"], one.json()["stored"]) for one in stored] == [(202, 1, 1), (202, 2, 1)]
    assert [one["item_id"] for one in client.get("/v1/users/2/recommendations").json()["items"]] == ["x"]


def test_a_session_with_filters(client: TestClient) -> None:
    body = {"history": [{"item_id": "w"}], "k": 3, "filters": [{"column": "title", "in": ["X", "Y"]}], "exclude": ["y"]}
    found = client.post("/v1/recommendations", json=body).json()
    assert [one["item_id"] for one in found["items"]] == ["x"]
    found = client.get("/v1/users/3/recommendations", params={"filter": ["title:X", "title:Y"], "k": 1}).json()
    assert [one["item_id"] for one in found["items"]] == ["x"]
    rest = client.get("/v1/users/3/recommendations", params={"filter": ["title:X", "title:Y"], "cursor": found["cursor"]}).json()
    assert [(one["rank"], one["item_id"]) for one in rest["items"]] == [(2, "y")] and rest["cursor"] is None


def test_models_change_by_name_only(client: TestClient) -> None:
    assert client.post("/v1/model", json={"run": "b"}).json()["run"] == "b"
    assert client.post("/v1/model/rollback").json()["run"] == "a"
    for run in ("../a", "/etc", "http://example.org", "file:a", "", "a/../b", ".", ".."):
        assert client.post("/v1/model", json={"run": run}).status_code == 422
    assert client.post("/v1/model", json={"run": "nothing"}).status_code == 404


def test_health(client: TestClient, service: Service) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["model"] == service.model.version


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PATCH", "/v1/model", None, 405),
        ("GET", "/v1/items/nothing/similar", None, 404),
        ("GET", "/v1/items/w/similar?by=text", None, 409),
        ("GET", "/v1/users/1/recommendations?k=0", None, 422),
        ("GET", "/v1/users/1/recommendations?k=9223372036854775808", None, 422),
        ("GET", "/v1/users/1/recommendations?filter=a", None, 422),
        ("GET", "/v1/users/1/recommendations?filter=title%3E=1", None, 422),
        ("GET", "/v1/users/1/recommendations?filter=title%3E=NaN", None, 422),
        ("GET", "/v1/users/%00/recommendations", None, 422),
        ("POST", "/v1/events", b"{", 400),
        ("POST", "/v1/events", b"[" * 100_000, 400),
        ("POST", "/v1/events", b"\xff\xfe", 400),
        ("POST", "/v1/events", b"[]", 422),
        ("POST", "/v1/events", b'{"user_id": "a", "item_id": "b", "timestamp": NaN}', 422),
        ("POST", "/v1/events", b'{"user_id": "a", "item_id": "b", "timestamp": 1e999}', 422),
        ("POST", "/v1/events", b'{"user_id": "a", "item_id": "b", "position": 9223372036854775808}', 422),
        ("POST", "/v1/events", b'{"user_id": "a\\ud800", "item_id": "b"}', 422),
        ("POST", "/v1/events", b'{"user_id": "a\\u0000", "item_id": "b"}', 422),
        ("POST", "/v1/events", b'{"\\ud800": 1, "user_id": "a", "item_id": "b"}', 422),
        ("POST", "/v1/recommendations", b'{"k": 10.5}', 422),
        ("POST", "/v1/recommendations", b'{"k": ' + b"9" * 5000 + b"}", 400),
        ("POST", "/v1/recommendations", b'{"filters": [{"column": "title", "min": 1e400}]}', 422),
        ("POST", "/v1/recommendations", b'{"filters": [{"column": "title\\udfff", "equal": 1}]}', 422),
    ],
)
def test_a_bad_request_is_a_problem(client: TestClient, method: str, path: str, body: bytes | None, status: int) -> None:
    answer = client.request(method, path, content=body, headers={"content-type": "application/json"} if body else {})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    about = json.loads(answer.text)
    assert about["status"] == status and about["type"] and about["title"] and "Traceback" not in answer.text


def test_what_fails_is_a_problem_without_a_traceback(client: TestClient, service: Service) -> None:
    service.store.history = lambda user_id, limit=1000: 1 / 0
    answer = client.get("/v1/users/1/recommendations")
    assert answer.status_code == 500 and answer.headers["content-type"] == PROBLEM and "ZeroDivision" not in answer.text


def test_too_many_that_wait_are_told_when_to_come_back(service: Service) -> None:
    """One thread and one place to wait: the third of three requests is refused, and the others are answered."""
    begun, go_on = threading.Event(), threading.Event()
    history = service.store.history

    def slow(user_id: str, limit: int = 1000) -> list:
        begun.set()
        assert go_on.wait(30)
        return history(user_id, limit)

    service.store.history = slow
    found: list[int] = []
    with TestClient(make_app(service, n_threads=1, n_waiting=1)) as client:
        waiting = [threading.Thread(target=lambda: found.append(client.get("/v1/users/1/recommendations").status_code)) for _ in range(2)]
        waiting[0].start()
        assert begun.wait(30)
        waiting[1].start()
        while client.app.state.workers.n_calls < 2:
            pass
        refused = client.get("/v1/users/1/recommendations")
        assert refused.status_code == 503 and refused.headers["retry-after"] == "1" and refused.headers["content-type"] == PROBLEM
        assert client.get("/healthz").status_code == 200
        go_on.set()
        for one in waiting:
            one.join()
        assert found == [200, 200] and client.get("/v1/users/1/recommendations").status_code == 200


def test_the_document_has_every_route_and_its_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/users/{user_id}/recommendations", "/v1/recommendations", "/v1/events", "/v1/model"} <= set(document["paths"])
    assert "Problem" in document["components"]["schemas"]
    for path in document["paths"].values():
        for route in path.values():
            assert (
                {"4XX", "5XX"} <= set(route["responses"])
                and PROBLEM in route["responses"]["4XX"]["content"]
                and "422" not in route["responses"]
            )
