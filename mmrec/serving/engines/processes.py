"""Several processes that answer on one socket: started one after another, started again when they end, and ended together."""

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, final

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus_client adds up the metrics of processes; it is read when that is imported."""
_LONG_S, _MAX_WAIT_S, _END_S = 30.0, 30.0, 7.0
_log = logging.getLogger(__name__)


class Work(Protocol):
    """What a process does: it calls `ready` before it answers, and returns when it is asked to end. It has to be importable by its name."""

    def __call__(self, opened: socket.socket, ready: Callable[[str], None]) -> None:
        """Answer requests that come to the socket."""


def run_processes(work: Work, opened: socket.socket, n_processes: int, ready: Callable[[str], None]) -> None:
    """Answer requests in several processes until SIGINT or SIGTERM.

    The first one starts alone, so that what it caches is there for the others. A process that ends is started again, after a pause if it
    did not live long. Processes end if this one does.

    Args:
        work: what each process does.
        opened: the socket, which is closed at the end.
        n_processes: how many.
        ready: called with what the first process says when all of them answer.

    Raises:
        SystemExit: the first process could not start; it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="mmrec-metrics-") as folder, _environment(METRICS_FOLDER, folder):
        processes, version = list[_Process](), ""
        try:
            for _ in range(n_processes):
                processes.append(_Process(work, opened))
                if (says := processes[-1].wait_until_ready()) is None:
                    raise SystemExit(processes[-1].exit_code or 1)
                version = says
            ready(version)
            _watch(processes, Path(folder))
        finally:
            opened.close()  # what comes now is refused, not kept waiting
            for process in processes:
                process.ask_to_end()
            deadline = time.monotonic() + _END_S
            for process in processes:
                process.end(deadline)


def _watch(processes: list["_Process"], metrics: Path) -> None:
    """Start processes again that have ended."""
    from prometheus_client.multiprocess import mark_process_dead

    while True:
        due = min((process.start_at for process in processes if process.start_at is not None), default=None)
        pause = None if due is None else max(0.0, due - time.monotonic())
        wait([process.sentinel for process in processes if process.start_at is None], pause)
        for process in processes:
            if process.has_ended():
                mark_process_dead(process.pid, str(metrics))  # type: ignore[no-untyped-call]
                _log.error(f"serve: process {process.pid} has ended with exit code {process.exit_code}; another one takes its place")
                process.plan_start()
            if process.start_at is not None and process.start_at <= time.monotonic():
                process.start()


@final
class _Process:
    """A process and those that take its place."""

    def __init__(self, work: Work, opened: socket.socket) -> None:
        self._work, self._opened, self._wait_s = work, opened, 0.0
        self.start_at: float | None = None
        """When it is to be started again; None: it runs."""
        self.start()

    def start(self) -> None:
        """Start it."""
        context = multiprocessing.get_context("spawn")  # threads of torch do not survive a fork
        self._from, to = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(target=_run, args=(self._work, self._opened, to), name="mmrec serve")
        self._process.start()
        to.close()
        self.start_at, self._started = None, time.monotonic()

    def wait_until_ready(self) -> str | None:
        """Return what it says when it is ready; None if it has ended."""
        try:
            return str(self._from.recv_bytes(), "utf-8")
        except EOFError:
            self._process.join()
            return None

    def has_ended(self) -> bool:
        """Whether it runs no more, and no start is planned."""
        return self.start_at is None and not self._process.is_alive()

    def plan_start(self) -> None:
        """Start it again: at once if it has lived long, otherwise after a pause that doubles."""
        lived_s = time.monotonic() - self._started
        self._wait_s = 0.0 if lived_s > _LONG_S else min(_MAX_WAIT_S, max(1.0, 2 * self._wait_s))
        self.start_at = time.monotonic() + self._wait_s

    def ask_to_end(self) -> None:
        """Send SIGTERM: requests that have begun are answered."""
        self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the end until the deadline, then kill."""
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def sentinel(self) -> int:
        """Readable when the process has ended."""
        return self._process.sentinel

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid or 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exitcode


def _run(work: Work, opened: socket.socket, to: Connection) -> None:
    """What a started process does first: it watches that its parent lives."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()

    def ready(says: str) -> None:
        to.send_bytes(says.encode())
        to.close()

    with opened:
        work(opened, ready)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the processes that are started."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
