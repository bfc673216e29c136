"""Headers of every answer: what a browser may do with it, and the id of the request."""

import contextvars
import re
import uuid
from typing import final

from mmrec.serving.security.asgi import App, Message, Receive, Scope, Send, header, state_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""There is no `Access-Control-Allow-…` among them: pages of other sites read nothing."""
REQUEST_ID = contextvars.ContextVar("mmrec_request_id", default="")
"""The id of the request that is being answered, for logs."""
_IS_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)


@final
class ResponseHeaders:
    """Adds security headers and `X-Request-ID` to every answer, and forbids to store what does not say for how long it may be.

    Args:
        app: what comes next.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = header(scope, b"x-request-id")
        request_id = given if _IS_ID.fullmatch(given) else uuid.uuid4().hex
        state_of(scope)["request_id"] = request_id
        token = REQUEST_ID.set(request_id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = list(message.get("headers", ()))
                names = {name.lower() for name, _ in there}
                added = [*SECURITY_HEADERS, (b"cache-control", b"no-store"), (b"x-request-id", request_id.encode())]
                message["headers"] = there + [(name, value) for name, value in added if name not in names]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            REQUEST_ID.reset(token)
        return None
