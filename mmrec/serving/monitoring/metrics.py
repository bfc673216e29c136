"""Metrics of a service in the format of Prometheus: requests and latency by route, events, the index, the model, and drift."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from mmrec.serving.monitoring.drift import Drift
from mmrec.serving.security.asgi import App, Receive, Scope, Send, WatchedSend, route_of

PATH = "/metrics"
_Mode = Literal["livesum", "livemax", "liveall"]
_MAX_KINDS = 20
_NAMES = re.compile(r"^similar to .* by |(?<=^from the session);.*", re.DOTALL)
"""What differs from list to list in their reasons: an item, or what was said in a session."""
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
        folder: that of PROMETHEUS_MULTIPROC_DIR, in which several processes count together; None: this one is alone.
    """

    def __init__(self, state: Callable[[], ModelState], folder: str | None = None) -> None:
        self._state, self._folder, self._version = state, folder, ""
        self._registry = CollectorRegistry()
        self._requests = Counter("mmrec_requests", "Answered requests.", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "mmrec_request_seconds", "From the head of a request to the end of its answer.", ["method", "route"], buckets=_BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._running = self._gauge("mmrec_running_requests", "Requests that are being answered.", "livesum")
        self._events = Counter("mmrec_events", "Events that were stored, without those sent again.", registry=self._registry)
        self._items = self._gauge("mmrec_index_items", "Items that can be recommended.", "livemax")
        self._users = self._gauge("mmrec_model_users", "Users in the data of the model.", "livemax")
        self._model = self._gauge("mmrec_model_info", "How many processes serve a version of the model.", "livesum", ["version"])
        drift = "population stability index of the latest 5,000 against the first 5,000 of this model; NaN until there are as many"
        self._score_drift = self._gauge("mmrec_score_drift", f"Scores of first places: {drift}.", "liveall")
        self._input_drift = self._gauge("mmrec_input_drift", f"What lists were computed from, by kind: {drift}.", "liveall")
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
        """Return all metrics as text, those of all processes together."""
        self.update()
        if self._folder is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def update(self) -> None:
        """Note what is served now, which other processes show."""
        state = self._state()
        if state.version != self._version:
            if self._folder is None:
                self._model.clear()
            elif self._version:
                self._model.labels(self._version).set(0)  # what is in the folder cannot be removed
            self._version = state.version
            self._scores.start()
            self._inputs.start()
            self._kinds.clear()
        self._model.labels(state.version).set(1)
        self._items.set(state.n_items)
        self._users.set(state.n_users)
        self._score_drift.set(self._scores.index())
        self._input_drift.set(self._inputs.index())

    def track_running(self) -> Gauge:
        """Return the gauge of requests that are being answered."""
        return self._running

    def _gauge(self, name: str, meaning: str, mode: _Mode, labels: Sequence[str] = ()) -> Gauge:
        """A gauge, and how the values of several processes become one."""
        return Gauge(name, meaning, labels, registry=self._registry, multiprocess_mode=mode)


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
