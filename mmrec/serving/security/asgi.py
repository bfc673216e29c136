"""The ASGI interface in types, and what its middleware has in common: reading headers, and answers that are problems (RFC 9457)."""

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


@final
class WatchedSend:
    """Passes messages on, and notes the status of the answer.

    Args:
        send: what comes next.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        """None until the answer has begun."""

    async def __call__(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a request's header, empty where it has none, or more than one."""
    found = [value for key, value in scope["headers"] if key == name]
    return str(found[0].decode("latin-1")) if len(found) == 1 else ""


def state_of(scope: Scope) -> dict[str, Any]:
    """Return what middleware has noted of a request; the application finds it as `request.state`."""
    state: dict[str, Any] = scope.setdefault("state", {})
    return state


async def send_problem(send: Send, status: int, detail: str, kind: str = "", headers: Sequence[Header] = ()) -> None:
    """Answer with a problem, `application/problem+json`.

    Args:
        send: the request's.
        status: the HTTP status.
        detail: one sentence: what was expected and found.
        kind: a name of the problem, if the status does not say it all.
        headers: further headers.
    """
    about = {"type": f"urn:mmrec:problem:{kind}" if kind else "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    body = json.dumps(about | {"detail": detail}).encode()
    fixed = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(status), "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that a request was given to, `other` where there is none."""
    route = scope.get("route")
    return str(getattr(route, "path_format", getattr(route, "path", "other")))
