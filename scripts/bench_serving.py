"""The service under load from a second process: latency beside the simplest FastAPI around NumPy, changes of the model, overload and kills.

    python scripts/bench_serving.py                              # 100,000 items × 64, about two minutes on two cores
    python scripts/bench_serving.py --items 1000000 --swap-s 60 --kills 200

Vectors are generated. The server has one core, as far as the machine has two. Latency is measured at half of saturation, from the moment at
which a request was due. Every part ends after a set time or count.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

N_USERS, K = 1_000, 10
MAX_CONNECTIONS = 800


class Reply(NamedTuple):
    """An answer, or status 0 where the connection broke."""

    status: int
    headers: bytes
    body: bytes
    seconds: float


def write_run(folder: Path, n_items: int, dim: int, seed: int) -> None:
    """Write a run folder of generated vectors."""
    generator = torch.Generator().manual_seed(seed)
    (folder / "split").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"model": "generated", "name": folder.name}))
    (folder / "metrics.json").write_text(json.dumps({"models": {"generated": {"test/ndcg@10": 0.0}}}))
    vectors = {"users": torch.randn(N_USERS, dim, generator=generator), "items": torch.randn(n_items, dim, generator=generator)}
    save_file(vectors, folder / "vectors.safetensors")
    pl.DataFrame({"user_id": [str(n) for n in range(N_USERS)]}).write_parquet(folder / "users.parquet")
    items = [f"i{n}" for n in range(n_items)]
    pl.DataFrame({"item_id": items, "title": items}).write_parquet(folder / "items.parquet")
    for part in ("train", "valid", "test"):
        pl.DataFrame({"user_id": ["0", "1"], "item_id": ["i0", "i1"]}).write_parquet(folder / "split" / f"{part}.parquet")


def serve(kind: str, folder: Path, port: int) -> None:
    """Answer requests by mmrec, or by the simplest application around NumPy, until the process is ended."""
    from mmrec.serving.api.server import listen, run_server

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    opened = listen("127.0.0.1", port)
    run_server(mmrec_app(folder) if kind == "mmrec" else plain_app(folder), opened)


def mmrec_app(folder: Path):
    """The whole application, with keys, limits and metrics in their places."""
    import mmrec
    from mmrec.serving.api.front import make_front
    from mmrec.serving.events.store_urls import open_store
    from mmrec.serving.model.open_model import open_model
    from mmrec.serving.service import Service

    def load(name: str):
        return open_model(mmrec.open_run(folder.parent / name), restore=False)

    return make_front(Service(load(folder.name), open_store(f"sqlite:///{folder.parent / 'events.db'}"), time.time, load))


def plain_app(folder: Path):
    """A product, the k best, and JSON: nothing else."""
    from fastapi import FastAPI
    from safetensors.numpy import load_file

    vectors, app = load_file(folder / "vectors.safetensors"), FastAPI()
    ids = pl.read_parquet(folder / "items.parquet", glob=False)["item_id"].to_list()

    @app.get("/v1/users/{user_id}/recommendations")
    def recommend(user_id: int, k: int = K):
        scores = vectors["items"] @ vectors["users"][user_id]
        best = np.argpartition(-scores, k)[:k]
        best = best[np.argsort(-scores[best])]
        return {"items": [{"item_id": ids[one], "score": float(scores[one])} for one in best]}

    return app


@contextmanager
def server(kind: str, folder: Path, port: int):
    """A server in another process, once it answers."""
    command = [sys.executable, __file__, "--serve", kind, str(folder), str(port)]
    with open(folder.parent / "server.log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        path = "/readyz" if kind == "mmrec" else "/openapi.json"
        while asyncio.run(Client(port).get(path)).status != 200:
            assert process.poll() is None and time.monotonic() < deadline, (folder.parent / "server.log").read_text()[-2000:]
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


class Client:
    """Connections that are kept, without anything that would cost the time that is measured."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list = []
        self._open = asyncio.Semaphore(MAX_CONNECTIONS)

    async def get(self, path: str) -> Reply:
        return await self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    async def post(self, path: str, content: object) -> Reply:
        body = json.dumps(content).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.send(head.encode() + body)

    async def send(self, request: bytes, due: float | None = None) -> Reply:
        """Send a request; seconds count from when it was due."""
        started = time.perf_counter() if due is None else due
        async with self._open:
            return await self._send(request, started)

    async def _send(self, request: bytes, started: float) -> Reply:
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            return Reply(0, b"", b"", time.perf_counter() - started)
        self._idle.append((reader, writer)) if b"connection: close" not in head.lower() else writer.close()
        return Reply(int(head[9:12]), head.lower(), body, time.perf_counter() - started)


def path_of(number: int) -> str:
    return f"/v1/users/{number % N_USERS}/recommendations?k={K}"


async def saturate(port: int, seconds: float, n_connections: int) -> list[Reply]:
    """Keep so many requests under way; returns the replies."""
    client, replies, end = Client(port), [], time.perf_counter() + seconds

    async def work(number: int) -> None:
        while time.perf_counter() < end:
            replies.append(await client.get(path_of(number)))
            number += n_connections

    await asyncio.gather(*(work(number) for number in range(n_connections)))
    return replies


async def at_rate(
    port: int, rate: float, seconds: float, during: Callable[[Client], Coroutine[Any, Any, None]] | None = None
) -> list[Reply]:
    """Send requests at a constant rate, whether or not earlier ones were answered; `during(client)` runs beside them."""
    client, tasks, began = Client(port), [], time.perf_counter()
    beside = asyncio.create_task(during(client)) if during else None
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if due > time.perf_counter():
            await asyncio.sleep(due - time.perf_counter())
        request = f"GET {path_of(number)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        tasks.append(asyncio.create_task(client.send(request, due)))
    replies = await asyncio.gather(*tasks)
    if beside:
        beside.cancel()
    return replies


def measure_latency(folder: Path, port: int, seconds: float) -> dict[str, float]:
    """Print saturation and, at half of it, latency, of both servers; returns requests/s by server."""
    found, p99 = {}, {}
    for kind in ("plain", "mmrec"):
        with server(kind, folder, port):
            asyncio.run(saturate(port, seconds / 2, 4))
            found[kind] = len(asyncio.run(saturate(port, seconds, 4))) / seconds
            replies = asyncio.run(at_rate(port, found[kind] / 2, seconds))
            times = np.array([one.seconds for one in replies]) * 1000
            p99[kind] = float(np.quantile(times, 0.99))
            bad = sum(one.status != 200 for one in replies)
            print(f"{kind:6}: {found[kind]:,.0f} requests/s; at half p50 {np.median(times):.2f} ms, p99 {p99[kind]:.2f} ms; {bad} errors")
    print(f"ratios mmrec / plain: p99 {p99['mmrec'] / p99['plain']:.2f}, requests/s {found['mmrec'] / found['plain']:.2f}")
    return found


def measure_swap(folder: Path, port: int, seconds: float, rate: float) -> None:
    """Print errors and mixed answers while the model changes every tenth of the time."""

    async def swap(client: Client) -> None:
        for number in range(1, 1000):
            await asyncio.sleep(seconds / 6)
            await client.post("/v1/model", {"run": "ab"[number % 2]})

    with server("mmrec", folder, port):
        replies = asyncio.run(at_rate(port, rate, seconds, swap))
    lists: dict[tuple[str, int], set[str]] = {}
    for number, one in enumerate(replies):
        if one.status == 200:
            answer = json.loads(one.body)
            lists.setdefault((answer["model"], number % N_USERS), set()).add(json.dumps(answer["items"]))
    mixed = sum(len(found) > 1 for found in lists.values())
    versions, errors = len({model for model, _ in lists}), sum(one.status != 200 for one in replies)
    print(f"swap  : {len(replies):,} requests at {rate:.0f}/s, {versions} versions: {errors} errors, {mixed} mixed answers")


def measure_overload(folder: Path, port: int, seconds: float, rate: float) -> None:
    """Print the statuses at ten times saturation, the memory, and whether the service answers afterwards."""
    with server("mmrec", folder, port) as process:
        before = memory_mib(process.pid)
        replies = asyncio.run(at_rate(port, 10 * rate, seconds))
        after = memory_mib(process.pid)
        recovered = asyncio.run(Client(port).get(path_of(0))).status == 200
    statuses = dict(Counter(one.status for one in replies))
    untold = sum(one.status in (429, 503) and b"retry-after" not in one.headers for one in replies)
    print(
        f"overload at {10 * rate:,.0f}/s: {statuses}, {untold} without Retry-After; {before:.0f} -> {after:.0f} MiB; recovers: {recovered}"
    )


def memory_mib(pid: int) -> float:
    """The resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def measure_kills(folder: Path, port: int, n_kills: int) -> None:
    """Print how many acknowledged events are lost or doubled, when the server is killed again and again and clients retry."""
    from mmrec.serving.events.store_urls import open_store

    acknowledged: set[str] = set()

    async def send(client: Client, process: subprocess.Popen, until: float) -> None:
        number = len(acknowledged)
        while process.poll() is None:
            events = [{"event_id": f"e{one}", "user_id": f"k{one % 7}", "item_id": "i1"} for one in range(number, number + 3)]
            reply = await client.post("/v1/events", events)
            if reply.status == 202:
                acknowledged.update(one["event_id"] for one in events)
                number += 3
            if time.perf_counter() > until:
                process.send_signal(signal.SIGKILL)
                until = float("inf")

    rng = np.random.default_rng(0)
    for _ in range(n_kills):
        with server("mmrec", folder, port) as process:
            asyncio.run(send(Client(port), process, time.perf_counter() + float(rng.uniform(0.05, 0.3))))
    store = open_store(f"sqlite:///{folder.parent / 'events.db'}")
    stored = [one for one in store.export()["event_id"].to_list() if one.startswith("e")]
    store.close()
    lost, doubled = len(acknowledged - set(stored)), len(stored) - len(set(stored))
    print(f"kills : {n_kills}, {len(acknowledged):,} acknowledged events: {lost} lost, {doubled} doubled")


def main() -> None:
    """Run all parts, or the server that they start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement of latency")
    parser.add_argument("--swap-s", type=float, default=12.0, help="of changes of the model, six of them")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        kind, folder, port = arguments.serve
        serve(kind, Path(folder), int(port))
        return
    with tempfile.TemporaryDirectory() as root:
        for seed, name in enumerate("ab"):
            write_run(Path(root) / name, arguments.items, arguments.dim, seed)
        folder, port = Path(root) / "a", arguments.port
        print(f"{arguments.items:,} items × {arguments.dim}, {K} of them asked for")
        rates = measure_latency(folder, port, arguments.seconds)
        measure_swap(folder, port, arguments.swap_s, min(200.0, rates["mmrec"] / 2))
        measure_overload(folder, port, arguments.seconds / 2, rates["mmrec"])
        measure_kills(folder, port, arguments.kills)


if __name__ == "__main__":
    main()
