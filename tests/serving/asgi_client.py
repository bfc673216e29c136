"""Requests to an ASGI application in this process, and an application that says what it got."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An answer; `headers` by name in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that the answer is."""
        assert self.headers["content-type"] == "application/problem+json"
        found = json.loads(self.body)
        assert found["status"] == self.status and found["title"] and found["type"] and found["detail"]
        return found


def request(
    app: Any,
    method: str = "GET",
    path: str = "/v1/model",
    headers: dict[str, str] | None = None,
    chunks: Iterable[bytes] | None = None,
    client: str = "127.0.0.1",
    query: bytes = b"",
) -> Answer:
    """Send a request to an application. `chunks`: the parts of its body; after an empty part the sender stops without an end."""
    given = {"host": "localhost:8000", **(headers or {})}
    if chunks is not None and not {"content-length", "transfer-encoding"} & set(given):
        given["transfer-encoding"] = "chunked"
    parts = list(chunks or [])
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": (client, 1234),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if parts and parts[0] == b"":
            await asyncio.sleep(60)
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start, *rest = sent
    names = [name.decode() for name, _ in start["headers"]]
    assert len(names) == len(set(names))
    return Answer(
        start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, b"".join(one["body"] for one in rest)
    )


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body of the request."""
    body = (await receive()).get("body", b"") if scope["method"] in ("POST", "PUT") else b"here"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
