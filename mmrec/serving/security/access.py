"""Who may call what: API keys with scopes, and on loopback no requests that another site's page sends."""

import ipaddress
import re
from typing import final

from mmrec.errors import ConfigError
from mmrec.serving.security.api_keys import ADMIN, READ, WRITE, ApiKey, ApiKeys
from mmrec.serving.security.asgi import App, Receive, Scope, Send, header, send_problem, state_of

OPEN_PATHS = ("/", "/healthz", "/readyz", "/docs", "/openapi.json")
"""What needs no key: the page and its files, the documentation of the interface, and what an orchestrator asks."""
_OPEN_FOLDERS = ("/static/",)
_READING_POSTS = ("/v1/recommendations", "/v1/search")
_ADMIN_PATHS = re.compile(r"/v1/(model|users)(/|$)")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Return whether an address or name to listen at is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(host: str, keys: ApiKeys | None) -> None:
    """Refuse to listen to a network without keys.

    Raises:
        ConfigError: where `host` is not a loopback address, and there are no keys.
    """
    if keys is None and not is_loopback(host):
        raise ConfigError(
            f"host: expected a loopback address such as 127.0.0.1, found `{host}`; to listen to a network, make API keys"
            " (`mmrec key file=keys.jsonl name=shop scopes=[read,write]`) and set `api_keys=keys.jsonl`"
        )


def needed_scope(method: str, path: str) -> str | None:
    """Return the scope that a request needs, None where it needs none."""
    reads = method in ("GET", "HEAD")
    if reads and (path in OPEN_PATHS or path.startswith(_OPEN_FOLDERS)):
        return None
    if reads or (method == "POST" and path in _READING_POSTS):
        return READ
    return ADMIN if _ADMIN_PATHS.match(path) else WRITE


@final
class Access:
    """Refuses requests without a key of the needed scope by 401 and 403, and requests that a page of another site sends.

    Without keys, it answers only requests that name this machine as their host (else 421): the name of another site may be made to lead
    here. The service listens on loopback then: see `check_exposure`.

    Args:
        app: what comes next.
        keys: the valid keys; None: no key is needed.
    """

    def __init__(self, app: App, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        host = header(scope, b"host")
        if self._keys is None and _name_of(host) not in _LOCAL_NAMES:
            return await send_problem(send, 421, "expected a request to this machine by the name localhost, 127.0.0.1 or [::1]")
        origin = header(scope, b"origin")
        if scope["method"] not in ("GET", "HEAD") and origin and origin.partition("://")[2] != host:
            return await send_problem(send, 403, "expected a request of this service's own page, found another origin", "cross-origin")
        needed = needed_scope(scope["method"], scope["path"])
        if self._keys is not None and needed is not None:
            found = find_key(scope, self._keys)
            if found is None:
                wanted = [(b"www-authenticate", b'Bearer realm="mmrec"')]
                return await send_problem(send, 401, "expected a valid API key: `Authorization: Bearer …`", headers=wanted)
            if needed not in found.scopes:
                return await send_problem(send, 403, f"expected an API key with scope {needed}", "missing-scope")
        return await self._app(scope, receive, send)


def find_key(scope: Scope, keys: ApiKeys) -> ApiKey | None:
    """Return the entry of a request's key, `Authorization: Bearer …` or `X-API-Key: …`; it is looked up once for a request."""
    state = state_of(scope)
    if "api_key" not in state:
        kind, _, value = header(scope, b"authorization").partition(" ")
        given = value.strip() if kind.lower() == "bearer" else header(scope, b"x-api-key")
        state["api_key"] = keys.find(given) if given else None
    found: ApiKey | None = state["api_key"]
    return found


def _name_of(host: str) -> str:
    """The name in a `Host` header, without the port."""
    return re.sub(r":\d{1,5}$", "", host).lower()
