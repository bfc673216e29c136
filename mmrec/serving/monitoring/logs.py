"""Logs of a service: one JSON object a line, with the id of the request, and without ids of users, addresses or bodies."""

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import final

from mmrec.serving.security.asgi import App, Receive, Scope, Send, WatchedSend, route_of
from mmrec.serving.security.response_headers import REQUEST_ID

_log = logging.getLogger("mmrec.serving.requests")
_FIELD = "mmrec_fields"


@final
class JSONFormatter(logging.Formatter):
    """Formats a record as a JSON object: time, level, logger, message, request id, further fields, and the trace of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            content["request_id"] = request_id
        content |= getattr(record, _FIELD, {})
        if record.exc_info:
            content["trace"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=True, default=str)


def log_as_json(logger: logging.Logger, level: int = logging.INFO) -> logging.Handler:
    """Write what a logger gets to the standard error stream, as JSON, and nowhere else.

    Args:
        logger: for example that of `mmrec`.
        level: the least that is written.

    Returns:
        The handler, to remove it again.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    return handler


@final
class RequestLog:
    """Logs every request by the pattern of its route, which contains no id, with status and latency.

    Args:
        app: what comes next.
        clock: seconds that never go back.
    """

    def __init__(self, app: App, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not _log.isEnabledFor(logging.INFO):
            return await self._app(scope, receive, send)
        started, watched = self._clock(), WatchedSend(send)
        try:
            await self._app(scope, receive, watched)
        finally:
            latency_ms = round((self._clock() - started) * 1000, 3)
            fields = {"method": scope["method"], "route": route_of(scope), "status": watched.status or 500, "latency_ms": latency_ms}
            _log.info("request", extra={_FIELD: fields})
        return None
