"""Metrics of a service in the format of Prometheus: requests and latency by route, events, the index, the model, and drift."""

import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mmrec.serving.monitoring.drift import Drift
from mmrec.serving.security.asgi import App, Receive, Scope, Send, WatchedSend, route_of

PATH = "/metrics"
_MAX_KINDS = 20
_NAMES = re.compile(r"^similar to .* by ", re.DOTALL)
"""What differs from item to item in the reason of a list."""
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ModelState(NamedTuple):
    """What is served at a moment."""

    version: str
    n_items: int
    """In the index."""
    n_users: int
    """That the model knows."""


@final
class ServiceMetrics:
    """Counts what a service does.

    Args:
        state: what is served, asked whenever metrics are read.
    """

    def __init__(self, state: Callable[[], ModelState]) -> None:
        self._state, self._version = state, ""
        self._registry = CollectorRegistry()
        self._requests = Counter("mmrec_requests", "Answered requests.", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "mmrec_request_seconds", "From the head of a request to the end of its answer.", ["method", "route"], buckets=_BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._running = Gauge("mmrec_running_requests", "Requests that are being answered.", registry=self._registry)
        self._events = Counter("mmrec_events", "Events that were stored, without those sent again.", registry=self._registry)
        self._items = Gauge("mmrec_index_items", "Items that can be recommended.", registry=self._registry)
        self._users = Gauge("mmrec_model_users", "Users in the data of the model.", registry=self._registry)
        self._model = Gauge("mmrec_model_info", "The version of the model in use.", ["version"], registry=self._registry)
        drift = "population stability index of the latest 5,000 against the first 5,000 of this model; NaN until there are as many"
        self._score_drift = Gauge("mmrec_score_drift", f"Scores of first places: {drift}.", registry=self._registry)
        self._input_drift = Gauge("mmrec_input_drift", f"What lists were computed from, by kind: {drift}.", registry=self._registry)
        self._scores, self._inputs = Drift(), Drift()
        self._kinds: dict[str, int] = {}

    def add_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def add_events(self, n_events: int) -> None:
        """Count events that were stored."""
        self._events.inc(n_events)

    def add_list(self, scores: Sequence[float], reason: str) -> None:
        """Note a list: the scores of its items, best first, and why they are in it, of which there are few kinds."""
        self._scores.add(scores[:1])
        kind = _NAMES.sub("", reason)
        if len(self._kinds) < _MAX_KINDS:
            self._kinds.setdefault(kind, len(self._kinds))
        self._inputs.add([float(self._kinds.get(kind, _MAX_KINDS))])

    def page(self) -> bytes:
        """Return all metrics as text."""
        state = self._state()
        if state.version != self._version:
            self._version = state.version
            self._model.clear()
            self._scores.start()
            self._inputs.start()
        self._model.labels(state.version).set(1)
        self._items.set(state.n_items)
        self._users.set(state.n_users)
        self._score_drift.set(self._scores.index())
        self._input_drift.set(self._inputs.index())
        return generate_latest(self._registry)

    def track_running(self) -> Gauge:
        """Return the gauge of requests that are being answered."""
        return self._running


@final
class Metered:
    """Measures requests, and answers those for `/metrics`.

    Args:
        app: what comes next. Its routes are told apart by their patterns, `/v1/items/{item_id}`; no id becomes a label.
        metrics: what counts.
        clock: seconds that never go back.
    """

    def __init__(self, app: App, metrics: ServiceMetrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] == PATH and scope["method"] == "GET":
            return await self._answer(send)
        started, watched = self._clock(), WatchedSend(send)
        with self._metrics.track_running().track_inprogress():
            try:
                await self._app(scope, receive, watched)
            finally:
                method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
                self._metrics.add_request(method, route_of(scope), watched.status or 500, self._clock() - started)
        return None

    async def _answer(self, send: Send) -> None:
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._metrics.page()})
