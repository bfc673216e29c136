"""A limit of the time that a request may take."""

import asyncio
from typing import final

from mmrec.serving.security.asgi import App, Receive, Scope, Send, WatchedSend, send_problem

_SLOW = "/v1/model"
"""What has no limit: opening a run takes as long as it takes."""


@final
class TimeLimit:
    """Answers 503 with `Retry-After` where the application takes too long; a computation that has begun goes on.

    Args:
        app: what comes next.
        limit_s: how long it may take.
    """

    def __init__(self, app: App, limit_s: float) -> None:
        self._app, self._limit_s = app, limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"].startswith(_SLOW):
            return await self._app(scope, receive, send)
        watched, limit = WatchedSend(send), asyncio.timeout(self._limit_s)
        try:
            async with limit:
                await self._app(scope, receive, watched)
        except TimeoutError:
            if watched.status is not None or not limit.expired():
                raise
            await send_problem(send, 503, f"no answer within {self._limit_s:g} s; try again", "timeout", [(b"retry-after", b"1")])
        return None
