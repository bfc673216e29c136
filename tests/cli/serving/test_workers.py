"""`mmrec serve workers=2`: what one process is told takes effect in both; they are replaced when they die, and end when they are asked."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.serving.made_run import USERS, write_run

pytestmark = pytest.mark.slow
N_PROCESSES = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("workers")
    write_run(folder / "runs" / "a")
    write_run(folder / "runs" / "b", USERS[[1, 0, 2]])
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    words = [f"run={folder / 'runs' / 'a'}", f"port={port}", f"paths.runs={folder / 'runs'}", f"workers={N_PROCESSES}", "threads=1"]
    log = folder / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen([sys.executable, "-m", "mmrec.cli.main", "serve", *words], cwd=folder, stderr=stream)
    found = SimpleNamespace(url=f"http://127.0.0.1:{port}", port=port, process=process, log=log, folder=folder)
    try:
        until(lambda: "serving a-" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        process.kill()


def until(holds: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that answer."""
    found = []
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"--multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def answers(service: SimpleNamespace, ask: Callable[[httpx.Client], Any], n_connections: int = 40) -> list[Any]:
    """What new connections get, which the kernel gives to the processes."""
    with httpx.Client(base_url=service.url, timeout=60, headers={"Connection": "close"}) as client:
        return [ask(client) for _ in range(n_connections)]


def pids_that_answer(service: SimpleNamespace) -> set[str]:
    page = httpx.get(f"{service.url}/metrics", timeout=60).text
    return set(re.findall(r'mmrec_score_drift\{pid="(\d+)"\}', page))


def test_every_process_knows_what_one_was_told(service: SimpleNamespace) -> None:
    until(lambda: len(pids_that_answer(service)) == N_PROCESSES)
    sent = [{"event_id": f"e{n}", "user_id": "2", "item_id": "y"} for n in range(20)]
    stored = [httpx.post(f"{service.url}/v1/events", json=one, timeout=60).json()["stored"] for one in sent for _ in range(2)]
    assert stored == [1, 0] * 20

    def items(client: httpx.Client) -> list[str]:
        return [one["item_id"] for one in client.get("/v1/users/2/recommendations").json()["items"]]

    assert all(found == ["w", "x"] for found in answers(service, items))
    assert httpx.put(f"{service.url}/v1/items/w", json={"fields": {"title": "new"}}, timeout=60).status_code == 200
    until(lambda: set(answers(service, lambda client: client.get("/v1/search?q=new").json()["items"][:1] != [])) == {True})
    assert httpx.delete(f"{service.url}/v1/users/2", timeout=60).json()["removed_events"] == 20
    assert all("popular" in found for found in answers(service, lambda client: client.get("/v1/users/2/recommendations").json()["reason"]))
    assert metric(service, "mmrec_events_total") == 20


def metric(service: SimpleNamespace, name: str) -> float:
    page = httpx.get(f"{service.url}/metrics", timeout=60).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE))


def test_a_session_goes_on_in_every_process(service: SimpleNamespace) -> None:
    name = httpx.post(f"{service.url}/v1/sessions", json={"user_id": "3"}, timeout=30).json()["session"]

    def say(number: int) -> int:  # a connection of its own, which either process may take
        body = {"like": "wxy"[number % 3]}
        told = httpx.post(f"{service.url}/v1/sessions/{name}/feedback", json=body, timeout=30)
        return int(told.json()["n_turns"])

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(say, range(24))) == list(range(1, 25))
    assert httpx.delete(f"{service.url}/v1/sessions/{name}", timeout=30).json()["events"] == 24


def test_another_model_takes_over_in_all_processes_without_a_mixed_answer(service: SimpleNamespace) -> None:
    def run(client: httpx.Client) -> str:
        found = client.get("/v1/users/1/recommendations?k=9").json()
        scores = {one["item_id"]: one["score"] for one in found["items"]}
        name = found["model"][0]
        assert scores == ({"w": 1.0, "y": 0.0} if name == "a" else {"w": 0.0, "y": 1.0})
        return str(name)

    assert set(answers(service, run)) == {"a"}
    assert httpx.post(f"{service.url}/v1/model", json={"run": "b"}, timeout=60).json()["run"] == "b"
    until(lambda: set(answers(service, run)) == {"b"})
    assert metric(service, "mmrec_requests_total") > 40
    assert httpx.post(f"{service.url}/v1/model/rollback", timeout=60).json()["run"] == "a"
    until(lambda: set(answers(service, run)) == {"a"})
    assert httpx.post(f"{service.url}/v1/model", json={"run": "b"}, timeout=60).json()["run"] == "b"


def test_a_process_that_dies_is_replaced_by_one_that_serves_the_same(service: SimpleNamespace) -> None:
    n_events, first = metric(service, "mmrec_events_total"), set(children(service.process))
    assert len(first) == N_PROCESSES
    os.kill(min(first), signal.SIGKILL)
    until(lambda: len(set(children(service.process)) - first) == 1)
    until(lambda: len(pids_that_answer(service)) == N_PROCESSES)
    assert set(answers(service, lambda client: client.get("/v1/model").json()["run"])) == {"b"}
    assert metric(service, "mmrec_events_total") == n_events and "another one takes its place" in service.log.read_text()


def test_what_has_begun_is_answered_and_nothing_is_taken_any_more(service: SimpleNamespace) -> None:
    """The last test of this service: SIGTERM while an event is on its way."""
    body = json.dumps({"event_id": "last", "user_id": "9", "item_id": "y"}).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head.encode() + body[:10])
        until(lambda: metric(service, "mmrec_running_requests") >= 1)
        started = children(service.process)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: refused(service.port))
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 202")
    assert service.process.wait(60) == 128 + signal.SIGTERM
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert "Traceback" not in service.log.read_text() and service.log.read_text().count("mmrec: terminated") == 1
    with contextlib.closing(sqlite3.connect(service.folder / "runs" / "events.sqlite")) as store:
        assert store.execute("SELECT COUNT(*) FROM mmrec_events WHERE event_id = 'last'").fetchone() == (1,)


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return True
    return False
