"""Threads that compute while the event loop takes requests, with a bounded queue."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, final

T = TypeVar("T")


class Overloaded(Exception):
    """As many calls wait as may."""


@final
class Workers:
    """Calls functions in threads.

    Args:
        n_threads: that compute at the same time.
        n_waiting: calls that may wait for a thread.
        name: of the threads.
    """

    def __init__(self, n_threads: int, n_waiting: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(n_threads, name)
        self._limit = n_threads + n_waiting
        self.n_calls = 0
        """Calls that run or wait."""

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function.

        Raises:
            Overloaded: too many calls wait already.
        """
        if self.n_calls >= self._limit:
            raise Overloaded
        loop = asyncio.get_running_loop()
        self.n_calls += 1

        def done(_: "Future[T]") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._end)

        future = self._pool.submit(function, *arguments)
        future.add_done_callback(done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for calls that have begun, and drop the others."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _end(self) -> None:
        self.n_calls -= 1
