"""All that stands between a network and the application, in its order."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mmrec.serving.security.access import Access
from mmrec.serving.security.api_keys import ApiKeys
from mmrec.serving.security.asgi import App
from mmrec.serving.security.body_limit import BodyLimit
from mmrec.serving.security.rate_limit import RateLimit, TokenBuckets
from mmrec.serving.security.response_headers import ResponseHeaders
from mmrec.serving.security.time_limit import TimeLimit


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Args:
        rate_per_s: requests a second of a key, or of an address without a key, in the long run; None: as many as come.
        burst: requests at once.
        max_body_bytes: of a request.
        body_timeout_s: how long a client may take to send it.
        request_timeout_s: how long an answer may take.
    """

    rate_per_s: float | None = None
    burst: int = 100
    max_body_bytes: int = 24 * 2**20
    body_timeout_s: float = 10.0
    request_timeout_s: float = 30.0


def guard(
    app: App,
    limits: Limits,
    keys: ApiKeys | None = None,
    clock: Callable[[], float] = time.monotonic,
    around: Callable[[App], App] = lambda app: app,
) -> App:
    """Put keys, limits and security headers around an application.

    Args:
        app: the application.
        limits: of rate, size and time.
        keys: the valid keys; None: none is needed, and only requests to this machine's own names are answered.
        clock: seconds that never go back, for the rate.
        around: puts something around the application and its limits, but inside of keys, so that it answers only those who have one.
    """
    guarded: App = BodyLimit(TimeLimit(app, limits.request_timeout_s), limits.max_body_bytes, limits.body_timeout_s)
    guarded = Access(around(guarded), keys)
    if limits.rate_per_s is not None:
        guarded = RateLimit(guarded, TokenBuckets(limits.rate_per_s, limits.burst, clock), keys)
    return ResponseHeaders(guarded)
