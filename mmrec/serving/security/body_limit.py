"""Bodies of requests: of a known type, not too large, and sent in time."""

import asyncio
from collections.abc import Sequence
from typing import final

from mmrec.serving.security.asgi import App, Message, Receive, Scope, Send, header, send_problem

JSON, PICTURES = ("application/json",), ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "application/octet-stream")
_LEFT = "http.disconnect"
_MAX_JSON = 4 * 2**20
"""Of bodies other than pictures and items, which are read on the event loop."""


@final
class BodyLimit:
    """Reads a body before the application sees the request. Answers 413 to one that is too large, 415 to one of another type.

    Args:
        app: what comes next.
        max_bytes: of a body.
        timeout_s: how long its sender may take, else 408.
        content_types: those that are taken.
    """

    def __init__(self, app: App, max_bytes: int, timeout_s: float = 10.0, content_types: Sequence[str] = (*JSON, *PICTURES)) -> None:
        self._app, self._max_bytes, self._timeout_s, self._content_types = app, max_bytes, timeout_s, tuple(content_types)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not _has_body(scope):
            return await self._app(scope, receive, send)
        content_type = header(scope, b"content-type").partition(";")[0].strip().lower()
        if content_type not in self._content_types:
            taken = [(b"accept", ", ".join(self._content_types).encode())]
            return await send_problem(send, 415, f"expected a body of type {' or '.join(self._content_types)}", headers=taken)
        if header(scope, b"content-encoding").lower() not in ("", "identity"):
            return await send_problem(send, 415, "expected a body that is not compressed", headers=[(b"accept-encoding", b"identity")])
        declared = header(scope, b"content-length")
        is_large = scope["method"] == "PUT" or content_type in PICTURES
        max_bytes = self._max_bytes if is_large else min(self._max_bytes, _MAX_JSON)
        body: bytes | None = None
        if not (declared.isdigit() and (len(declared) > 18 or int(declared) > max_bytes)):
            try:
                async with asyncio.timeout(self._timeout_s):
                    body = await _read(receive, max_bytes)
            except TimeoutError:
                return await send_problem(send, 408, f"expected the body within {self._timeout_s:g} s", headers=[(b"connection", b"close")])
            except _Disconnected:
                return None
        if body is None:
            close = [(b"connection", b"close")]
            return await send_problem(send, 413, f"expected at most {max_bytes} bytes", headers=close)
        return await self._app(scope, _replayed(body, receive), send)


class _Disconnected(Exception):
    """The client has gone."""


def _has_body(scope: Scope) -> bool:
    """Whether a request says that it has a body. One without needs no type."""
    names = {name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")}
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body first."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def _read(receive: Receive, max_bytes: int) -> bytes | None:
    """The body, None where it is too large."""
    parts, n_bytes, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == _LEFT:
            raise _Disconnected
        parts.append(message.get("body", b""))
        n_bytes += len(parts[-1])
        if n_bytes > max_bytes:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)
