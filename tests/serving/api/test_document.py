"""Requests drawn from the OpenAPI document, and hostile bodies: answers are as the document says, and the service never fails."""

import base64
import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from starlette.testclient import TestClient

import mmrec
from mmrec.serving.api.front import make_front
from mmrec.serving.service import Service
from tests.serving.made_run import write_run

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
PROBLEM = "application/problem+json"
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
"""Threads of the service use it while cases are drawn."""
MAX_URL = 60_000
"""The longest one that the client sends; servers take less."""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    write_run(tmp_path / "b")
    return mmrec.open_run(write_run(tmp_path / "a")).service(f"sqlite:///{tmp_path / 'events.db'}")


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(make_front(service), "http://localhost:8000", raise_server_exceptions=False) as client:
        yield client
    service.store.close()


def send_drawn(client: TestClient, n_cases: int, number: int, about: str = "") -> Counter[int]:
    """Send requests for every route whose path has a word, half of them valid, and return how many answers there were of each status."""
    document = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    operations = [one.ok() for one in document.get_all_operations() if about in one.ok().path]
    statuses: Counter[int] = Counter()

    def send(case: schemathesis.Case) -> None:
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://localhost:8000")).prepare()
        if len(asked.url) > MAX_URL:
            return
        headers = {name: value.encode("latin-1", "replace") if isinstance(value, str) else value for name, value in asked.headers.items()}
        answer = client.request(asked.method, asked.url, headers=headers, content=asked.body)
        statuses[answer.status_code] += 1
        check(answer)
        if answer.status_code < 400 or answer.status_code in (404, 409, 410, 422):
            case.validate_response(answer, checks=CHECKS)

    n_each = -(-n_cases // (2 * len(operations)))
    for operation in operations:
        for mode in GenerationMode:
            quiet = settings(
                max_examples=n_each, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
            )
            drawn = operation.as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # nothing about a route without parameters can be invalid
                seed(number)(quiet(given(case=drawn)(lambda case: send(case))))()
    return statuses


def check(answer: object) -> None:
    """No failure of the server, no traceback, and a problem for every error."""
    assert answer.status_code < 500, (answer.request.url, answer.request.content[:1000], answer.text)
    assert "Traceback" not in answer.text
    if answer.status_code >= 400 and answer.status_code != 405:
        assert answer.headers["content-type"] == PROBLEM and json.loads(answer.text)["status"] == answer.status_code


@pytest.mark.slow
def test_requests_from_the_document(client: TestClient) -> None:
    statuses = send_drawn(client, 450, 0)
    assert sum(statuses.values()) >= 300 and {200, 202, 422} <= set(statuses)


@pytest.mark.slow  # the run is trained first
def test_a_model_that_places_items_gets_requests_about_items_and_hostile_pictures(cold_run: Path) -> None:
    service = mmrec.open_run(cold_run).service()
    with TestClient(make_front(service), "http://localhost:8000", raise_server_exceptions=False) as client:
        for about in ("items", "search"):
            send_drawn(client, 50, 0, about)
        for method, path, body, headers in HOSTILE:
            if headers["content-type"] != "application/json" or path.startswith("/v1/items"):
                answer = client.request(method, path.replace("/w", "/i1"), content=body, headers=headers)
                check(answer)
                assert answer.status_code in (400, 413, 422), (method, path, body[:80], answer.text[:200])
        assert client.get("/v1/users/u1/recommendations").status_code == 200


@pytest.mark.thorough
def test_many_requests_from_the_document(client: TestClient) -> None:
    n_cases, number = int(os.environ.get("MMREC_N_CASES", "20000")), int(os.environ.get("MMREC_SEED", "1"))
    statuses: Counter[int] = Counter()
    while sum(statuses.values()) < n_cases:
        statuses += send_drawn(client, min(n_cases, 2000), number)
        number += 1
    print(dict(statuses))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(side: int = 50_000, n_bytes: int = 30_000_000) -> bytes:
    """A PNG of a few kilobytes that says that it has 2.5 billion pixels, and unpacks to much."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(n_bytes), 9)) + chunk(b"IEND", b"")


def encoded(content: bytes) -> bytes:
    return json.dumps({"picture": base64.b64encode(content).decode()}).encode()


JSON = {"content-type": "application/json"}
HOSTILE: list[tuple[str, str, bytes, dict[str, str]]] = [
    (method, path, body, JSON)
    for method, path in (
        ("POST", "/v1/events"),
        ("POST", "/v1/recommendations"),
        ("PUT", "/v1/items/w"),
        ("POST", "/v1/model"),
    )
    for body in (
        b'{"k": NaN, "fields": {"title": NaN}, "timestamp": Infinity, "run": NaN}',
        b'{"k": 9223372036854775808, "user_id": "a", "item_id": "b", "position": 9223372036854775808}',
        b'{"fields": {"title": 1e999}, "k": -1e999}',
        b'{"fields": {"title": "\\ud800"}, "user_id": "\\udfff", "item_id": "b", "exclude": ["\\ud83d"], "run": "\\ud800"}',
        b'{"fields": {"\\ud800": 1}, "profile": {"\\udc00": 1}}',
        b'{"user_id": "\xff", "item_id": "\xc3\x28"}',
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" * 1_000_000,
        b'[{"user_id": "a", "item_id": "b"}' + b',{"user_id": "a", "item_id": "b"}' * 20_000 + b"]",
        b'{"exclude": ["' + b"x" * 10_000_000 + b'"]}',
        b'{"fields": {' + b",".join(b'"c%d": 1' % n for n in range(100_000)) + b"}}",
        b"1" * 1_000_000,
        b"\x1f\x8b\x08\x00" + bytes(1000),
        b"",
        b"null",
    )
]
HOSTILE += [
    ("PUT", "/v1/items/w", encoded(one), JSON) for one in (bomb(), b"GIF89a\xff\xff\xff\xff" + bytes(20), b"\xff\xd8\xff", bytes(10))
]
HOSTILE += [
    ("POST", "/v1/search", body, {"content-type": kind})
    for body, kind in ((bomb(), "image/png"), (b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(30), "image/webp"), (bytes(20_000_000), "image/bmp"))
]
HOSTILE += [("POST", "/v1/events", zlib.compress(b"[]"), {**JSON, "content-encoding": "deflate"})]


def test_hostile_bodies_are_refused(client: TestClient, service: Service) -> None:
    """With `w` as it was, whatever is put."""
    for method, path, body, headers in HOSTILE:
        answer = client.request(method, path, content=body, headers=headers)
        check(answer)
        assert answer.status_code in (400, 409, 413, 415, 422), (method, path, body[:80], answer.text[:200])
    assert service.model.picture("w") is None and client.get("/v1/items/w/image").status_code == 404
    assert client.get("/v1/users/1/recommendations").status_code == 200


def test_hostile_queries_are_refused(client: TestClient) -> None:
    for path in (
        "/v1/users/" + "a" * 50_000 + "/recommendations",
        "/v1/users/%00/recommendations",
        "/v1/items/..%2f..%2fetc%2fpasswd/image",
        "/v1/users/1/recommendations?k=NaN",
        "/v1/users/1/recommendations?cursor=" + "W" * 1000,
        "/v1/users/1/recommendations?" + "&".join(["filter=title:x"] * 1000),
        "/v1/users/1/recommendations?filter=title>=1e999",
        "/v1/search?q=" + "%20" * 100,
        "/v1/search?q=" + "x" * 30_000,
    ):
        answer = client.get(path)
        check(answer)
        assert answer.status_code in (404, 413, 414, 422), (path[:100], answer.text[:200])
