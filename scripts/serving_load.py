"""Load for `bench_serving.py`: a client that costs little, and requests at saturation or at a constant rate."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

N_USERS, K = 1_000, 10
MAX_CONNECTIONS = 800


class Reply(NamedTuple):
    """An answer, or status 0 where the connection broke."""

    status: int
    headers: bytes
    body: bytes
    seconds: float


class Client:
    """Connections that are kept, without anything that would cost the time that is measured."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list = []
        self._open = asyncio.Semaphore(MAX_CONNECTIONS)

    async def get(self, path: str) -> Reply:
        return await self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    async def post(self, path: str, content: object, method: str = "POST") -> Reply:
        body = json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
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
