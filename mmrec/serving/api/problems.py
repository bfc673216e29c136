"""Errors as answers: RFC 9457, `application/problem+json`, without a trace of the program."""

import json
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mmrec.errors import DataError, MmrecError
from mmrec.serving.api.workers import Overloaded
from mmrec.serving.events.event_store import StoreFull
from mmrec.serving.refusal import (
    CANNOT_ANSWER,
    CANNOT_PLACE,
    DAMAGED_RUN,
    EXPIRED,
    INVALID,
    SESSION_FULL,
    SESSION_GONE,
    UNKNOWN_ITEM,
    UNKNOWN_RUN,
    UNKNOWN_SESSION,
    Refused,
)

MEDIA_TYPE = "application/problem+json"
STATUS = {
    UNKNOWN_ITEM: HTTPStatus.NOT_FOUND,
    UNKNOWN_RUN: HTTPStatus.NOT_FOUND,
    UNKNOWN_SESSION: HTTPStatus.NOT_FOUND,
    DAMAGED_RUN: HTTPStatus.CONFLICT,
    CANNOT_PLACE: HTTPStatus.CONFLICT,
    CANNOT_ANSWER: HTTPStatus.CONFLICT,
    INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    EXPIRED: HTTPStatus.GONE,
    SESSION_GONE: HTTPStatus.GONE,
    SESSION_FULL: HTTPStatus.CONFLICT,
}
_MAX_ERRORS = 20
_log = logging.getLogger(__name__)


def problem(status: int, detail: str = "", kind: str | None = None, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Make the answer of an error.

    Args:
        status: the HTTP status.
        detail: what was expected and found.
        kind: identifies the error; None: the status says it all.
        headers: further headers.
        more: further members.
    """
    about = {"type": f"urn:mmrec:problem:{kind}" if kind else "about:blank", "title": HTTPStatus(status).phrase, "status": int(status)}
    content = json.dumps(about | ({"detail": detail} if detail else {}) | more, ensure_ascii=True, allow_nan=False)
    return Response(content, status, headers, MEDIA_TYPE)


def handle_errors(app: FastAPI) -> None:
    """Answer all errors of an app by problems."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(StoreFull, _full)
    app.add_exception_handler(DataError, _data)
    app.add_exception_handler(MmrecError, _unavailable)
    app.add_exception_handler(Exception, _failed)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(STATUS[error.kind], str(error), error.kind)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"at": "/".join(map(str, one["loc"]))[:200], "detail": str(one["msg"])[:500]} for one in error.errors()[:_MAX_ERRORS]]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return problem(HTTPStatus.BAD_REQUEST, "expected JSON", "invalid-json", errors=found)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{len(error.errors())} invalid values", INVALID, errors=found)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _overloaded(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests wait already; try again", "overloaded", {"Retry-After": "1"})


async def _full(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.CONFLICT, str(error), "store-full")


async def _data(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), INVALID)


async def _unavailable(request: Request, error: Exception) -> Response:
    _log.error(f"{request.method} {request.scope.get('route') and request.scope['route'].path}: {error}")
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the service cannot answer now", "unavailable", {"Retry-After": "5"})


async def _failed(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed; its log has more")
