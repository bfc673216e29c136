"""The ASGI application: routes of the service, each a thin layer around one call."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from fastapi import FastAPI

from mmrec import __version__
from mmrec.serving.api.bodies import Problem
from mmrec.serving.api.event_routes import router as event_routes
from mmrec.serving.api.item_routes import router as item_routes
from mmrec.serving.api.list_routes import router as list_routes
from mmrec.serving.api.model_routes import router as model_routes
from mmrec.serving.api.problems import MEDIA_TYPE, handle_errors
from mmrec.serving.api.session_routes import router as session_routes
from mmrec.serving.api.workers import Workers
from mmrec.serving.service import Service
from mmrec.serving.sessions.open_sessions import OpenSessions

_REFRESH_S, _ROUNDS_A_METRIC = 0.2, 25
_log = logging.getLogger(__name__)
_PROBLEM: dict[str, Any] = {"description": "Problem", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "5XX": _PROBLEM}


def make_app(service: Service, n_threads: int = 2, n_waiting: int = 128) -> FastAPI:
    """Make the application of a service.

    Args:
        service: what answers.
        n_threads: threads that compute lists; another one places items and opens runs.
        n_waiting: requests that may wait for a thread; further ones get 503.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(_refresh(app, service))
        yield
        refreshing.cancel()
        app.state.workers.close()
        app.state.slow_workers.close()

    app = FastAPI(
        title="mmrec", version=__version__, lifespan=lifespan, responses=RESPONSES, redirect_slashes=False, docs_url=None, redoc_url=None
    )
    app.state.service, app.state.sessions = service, OpenSessions(service)
    app.state.workers, app.state.slow_workers = Workers(n_threads, n_waiting, "lists"), Workers(1, 16, "changes")
    handle_errors(app)
    for routes in (list_routes, session_routes, event_routes, item_routes, model_routes):
        app.include_router(routes)
    make_document = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = make_document()
            made["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return make_document()

    app.openapi = document  # type: ignore[method-assign]
    app.openapi()  # makes all routes now, which the first requests would do otherwise
    return app


async def _refresh(app: FastAPI, service: Service) -> None:
    """Make the model ready to place items, take over run and items of other processes within a second, and show them its metrics."""
    for n_rounds in count(1):
        try:
            await app.state.slow_workers.call(service.prepare)
            await app.state.slow_workers.call(service.refresh)
            await app.state.slow_workers.call(app.state.sessions.end_expired)
            if n_rounds % _ROUNDS_A_METRIC == 0 and (metrics := getattr(app.state, "metrics", None)) is not None:
                metrics.update()
        except Exception as error:  # the next round tries again
            _log.warning(f"what other processes changed is not taken over now: {error}")
        await asyncio.sleep(_REFRESH_S)
