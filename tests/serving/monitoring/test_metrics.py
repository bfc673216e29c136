"""Metrics say what was answered and how the model drifts, and neither they nor logs say for whom."""

import json
import logging
import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mmrec.serving.monitoring.drift import Drift
from mmrec.serving.monitoring.logs import JSONFormatter, RequestLog
from mmrec.serving.monitoring.metrics import Metered, ModelState, ServiceMetrics
from mmrec.serving.security.response_headers import ResponseHeaders
from tests.serving.asgi_client import echo, request


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """Has one route, and fails where the path says so."""
    if scope["path"].startswith("/v1/users/"):
        scope["route"] = SimpleNamespace(path="/v1/users/{user_id}")
    if scope["path"].endswith("fail"):
        raise ZeroDivisionError
    await echo(scope, receive, send)


def read(metrics: ServiceMetrics) -> dict[str, float]:
    lines = metrics.page().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def test_requests_are_counted_by_route_and_without_ids() -> None:
    times = iter([0.0, 0.003, 1.0, 1.0, 2.0, 2.0])
    metrics = ServiceMetrics(lambda: ModelState("run-1", 40, 60))
    app = Metered(shop, metrics, lambda: next(times))
    assert request(app, path="/v1/users/ann-secret").status == 200
    assert request(app, "BREW", path="/nowhere-secret").status == 200
    with pytest.raises(ZeroDivisionError):
        request(app, path="/v1/users/fail")
    page = request(app, path="/metrics")
    assert page.headers["content-type"].startswith("text/plain") and b"secret" not in page.body
    found = read(metrics)
    assert found['mmrec_requests_total{method="GET",route="/v1/users/{user_id}",status="200"}'] == 1
    assert found['mmrec_requests_total{method="GET",route="/v1/users/{user_id}",status="500"}'] == 1
    assert found['mmrec_requests_total{method="other",route="other",status="200"}'] == 1
    assert found['mmrec_request_seconds_bucket{le="0.002",method="GET",route="/v1/users/{user_id}"}'] == 1
    assert found['mmrec_request_seconds_bucket{le="0.005",method="GET",route="/v1/users/{user_id}"}'] == 2
    assert found["mmrec_running_requests"] == 0


def test_the_model_its_index_and_events_are_told() -> None:
    state = [ModelState("run-1", 40, 60)]
    metrics = ServiceMetrics(lambda: state[0])
    metrics.add_events(3)
    found = read(metrics)
    assert (found["mmrec_index_items"], found["mmrec_model_users"], found["mmrec_events_total"]) == (40, 60, 3)
    assert found['mmrec_model_info{version="run-1"}'] == 1
    state[0] = ModelState("run-2", 41, 60)
    found = read(metrics)
    assert found["mmrec_index_items"] == 41 and found['mmrec_model_info{version="run-2"}'] == 1
    assert not any("run-1" in name for name in found)


def test_drift_is_seen_and_begins_anew_with_another_model() -> None:
    rng, state = np.random.default_rng(0), [ModelState("run-1", 1, 1)]
    metrics = ServiceMetrics(lambda: state[0])
    read(metrics)
    found = []
    for shift in (0.0, 0.0, 2.0):
        for score in rng.normal(shift, size=5000).tolist():
            metrics.add_list([score, -100.0], "popular now" if score < 1 else "similar to x by text")
        found.append(read(metrics))
    assert math.isnan(found[0]["mmrec_score_drift"])
    assert found[1]["mmrec_score_drift"] < 0.1 and found[2]["mmrec_score_drift"] > 0.25
    assert found[1]["mmrec_input_drift"] < 0.1 and found[2]["mmrec_input_drift"] > 0.25
    state[0] = ModelState("run-2", 1, 1)
    assert math.isnan(read(metrics)["mmrec_score_drift"])


def test_values_are_the_first_ones_or_the_latest() -> None:
    drift = Drift(n_values=4, n_bins=2)
    drift.add([1.0, 2.0, 3.0, 4.0, 1.0])
    assert math.isnan(drift.index())
    drift.add([2.0, 3.0, 4.0])
    assert drift.index() == 0
    drift.add([9.0] * 4)
    assert drift.index() > 0.5


def test_logs_are_json_with_the_id_of_the_request_and_nothing_personal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JSONFormatter().format(record))
    logging.getLogger("mmrec.serving").addHandler(handler)
    try:
        request(ResponseHeaders(RequestLog(shop)), path="/v1/users/ann-secret", headers={"x-request-id": "abcdef12"}, client="10.9.8.7")
    finally:
        logging.getLogger("mmrec.serving").removeHandler(handler)
    (line,) = lines
    found = json.loads(line)
    assert found["request_id"] == "abcdef12" and found["route"] == "/v1/users/{user_id}" and found["status"] == 200
    assert found["latency_ms"] >= 0 and "secret" not in line and "10.9.8.7" not in line


def test_an_error_is_logged_with_its_trace() -> None:
    try:
        raise ZeroDivisionError("why\n")
    except ZeroDivisionError:
        record = logging.LogRecord("mmrec", logging.ERROR, "f.py", 1, "fail\x1b[31m", (), sys.exc_info())
    line = JSONFormatter().format(record)
    assert line.isprintable() and "ZeroDivisionError" in json.loads(line)["trace"]
