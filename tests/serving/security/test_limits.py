"""Limits of rate, size, type and time, and the headers of every answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mmrec.serving.security import ApiKeys, Limits, guard, make_key
from mmrec.serving.security.body_limit import BodyLimit
from mmrec.serving.security.rate_limit import RateLimit, TokenBuckets
from mmrec.serving.security.response_headers import REQUEST_ID, ResponseHeaders
from mmrec.serving.security.time_limit import TimeLimit
from tests.serving.asgi_client import echo, request

JSON = {"content-type": "application/json; charset=utf-8"}


def test_a_bucket_fills_at_its_rate() -> None:
    now = [100.0]
    buckets = TokenBuckets(rate_per_s=2.0, burst=3, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b") == 0
    now[0] += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    now[0] += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_only_so_many_buckets_are_kept() -> None:
    buckets = TokenBuckets(1.0, 1, lambda: 0.0, max_names=3)
    for name in ("a", "b", "c", "a", "d"):
        buckets.take(name)
    assert buckets.take("a") > 0 and buckets.take("b") == 0


def test_the_rate_is_limited_by_key_else_by_address(tmp_path: Path) -> None:
    first, second = (make_key(tmp_path / "keys.jsonl", name, ["read"]) for name in ("first", "second"))
    app = RateLimit(echo, TokenBuckets(0.1, 1, lambda: 0.0), ApiKeys(tmp_path / "keys.jsonl"))
    for headers in ({"x-api-key": first}, {"x-api-key": second}, {}):
        assert request(app, headers=headers).status == 200
        refused = request(app, headers=headers)
        assert refused.problem["status"] == 429 and refused.headers["retry-after"] == "10"
    assert request(app, headers={"x-api-key": "guessed"}).status == 429
    assert request(app, client="10.0.0.1").status == 200
    assert request(app, path="/healthz").status == 200


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 6, b"x" * 6]])
@pytest.mark.parametrize("declared", [None, "11", "5"])
def test_a_body_that_is_too_large_is_refused(chunks: list[bytes], declared: str | None) -> None:
    app = BodyLimit(echo, max_bytes=10)
    headers = JSON | ({"content-length": declared} if declared else {})
    assert request(app, "POST", "/v1/events", headers, chunks).problem["status"] == 413


@pytest.mark.parametrize("declared", ["11", "9" * 30])
def test_a_body_that_says_that_it_is_too_large_is_not_read(declared: str) -> None:
    assert request(BodyLimit(echo, 10), "POST", "/v1/events", JSON | {"content-length": declared}, [b""]).status == 413


def test_a_body_within_the_limit_arrives_whole() -> None:
    app = BodyLimit(echo, max_bytes=10)
    assert request(app, "POST", "/v1/events", JSON, [b"12345", b"67890"]).body == b"1234567890"
    assert request(app, "POST", "/v1/model/rollback", {"content-length": "0"}).status == 200
    assert request(app, "GET").body == b"here"


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/jsonx"}, JSON | {"content-encoding": "gzip"}]
)
def test_another_type_of_body_is_refused(headers: dict[str, str]) -> None:
    assert request(BodyLimit(echo, 10), "POST", "/v1/events", headers, [b"{}"]).problem["status"] == 415


def test_a_slow_sender_is_refused() -> None:
    app = BodyLimit(echo, 10, timeout_s=0.02)
    assert request(app, "POST", "/v1/events", JSON, [b"1", b""]).problem["status"] == 408


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    ended: list[str] = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("yes")

    refused = request(TimeLimit(slow, 0.02), path="/v1/users/1/recommendations")
    assert refused.problem["status"] == 503 and refused.headers["retry-after"] == "1" and ended == ["yes"]
    assert request(TimeLimit(echo, 5.0)).status == 200


def test_a_timeout_of_the_application_itself_is_no_limit() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        request(TimeLimit(fails, 5.0))


def test_every_answer_has_security_headers_and_an_id() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(REQUEST_ID.get())
        await echo(scope, receive, send)

    answer = request(ResponseHeaders(app))
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert answer.headers["x-request-id"] == seen[0] != "" == REQUEST_ID.get()
    for given, kept in (("abc-DEF_12345", True), ("short", False), ("x" * 65, False), ("<script>alert", False)):
        assert (request(ResponseHeaders(echo), headers={"x-request-id": given}).headers["x-request-id"] == given) == kept


def test_the_guard_has_all_of_them() -> None:
    app = guard(echo, Limits(rate_per_s=1.0, burst=4, max_body_bytes=10), clock=lambda: 0.0)
    assert request(app, headers={"host": "evil.example"}).problem["status"] == 421
    assert request(app, "POST", "/v1/events", JSON, [b"x" * 11]).problem["status"] == 413
    assert request(app, "POST", "/v1/events", {"content-type": "text/html"}, [b"x"]).problem["status"] == 415
    assert request(app).status == 200
    last = request(app)
    assert last.problem["status"] == 429 and "content-security-policy" in last.headers and "x-request-id" in last.headers
