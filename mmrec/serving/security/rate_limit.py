"""Limits the rate of requests by key, or by address where there is no key: a token bucket for each."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import final

from mmrec.errors import ConfigError
from mmrec.serving.security.access import find_key
from mmrec.serving.security.api_keys import ApiKeys
from mmrec.serving.security.asgi import App, Receive, Scope, Send, send_problem

_FREE = ("/healthz", "/readyz")


@final
class TokenBuckets:
    """A bucket for each name, full at first, that fills at a constant rate; each request takes one token.

    Args:
        rate_per_s: tokens a second.
        burst: what a bucket holds.
        clock: seconds that never go back.
        max_names: how many buckets are kept; beyond that, the one that was not used for longest is forgotten, and hence full.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic, max_names: int = 100_000) -> None:
        if rate_per_s <= 0:
            raise ConfigError(f"rate_per_s: expected more than 0, found {rate_per_s}")
        self._rate_per_s, self._burst, self._clock, self._max_names = rate_per_s, burst, clock, max_names
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token. Returns 0, or, where there is none, the seconds until there is one."""
        now = self._clock()
        tokens, filled_at = self._buckets.pop(name, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._rate_per_s)
        has_one = tokens >= 1
        self._buckets[name] = (tokens - has_one, now)
        if len(self._buckets) > self._max_names:
            self._buckets.popitem(last=False)
        return 0.0 if has_one else (1 - tokens) / self._rate_per_s


@final
class RateLimit:
    """Answers 429 with `Retry-After` to whoever sends more requests than may be.

    Args:
        app: what comes next.
        buckets: the tokens.
        keys: the valid keys. A request with one counts for the key, any other for its address.
    """

    def __init__(self, app: App, buckets: TokenBuckets, keys: ApiKeys | None) -> None:
        self._app, self._buckets, self._keys = app, buckets, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"] not in _FREE:
            wait_s = self._buckets.take(self._name(scope))
            if wait_s > 0:
                retry = [(b"retry-after", str(math.ceil(wait_s)).encode())]
                return await send_problem(
                    send, 429, f"expected fewer requests; the next one may come in {math.ceil(wait_s)} s", headers=retry
                )
        return await self._app(scope, receive, send)

    def _name(self, scope: Scope) -> str:
        key = None if self._keys is None else find_key(scope, self._keys)
        return f"key {key.name}" if key else f"address {(scope.get('client') or ('unknown',))[0]}"
