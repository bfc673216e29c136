"""Who may call what."""

from pathlib import Path

import pytest

from mmrec.errors import ConfigError
from mmrec.serving.security import ApiKeys, check_exposure, make_key
from mmrec.serving.security.access import Access, needed_scope
from tests.serving.asgi_client import echo, request


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/", None),
        ("GET", "/static/page.js", None),
        ("GET", "/healthz", None),
        ("GET", "/metrics", "read"),
        ("GET", "/v1/users/1/recommendations", "read"),
        ("POST", "/v1/recommendations", "read"),
        ("POST", "/v1/search", "read"),
        ("POST", "/v1/events", "write"),
        ("PUT", "/v1/items/1", "write"),
        ("DELETE", "/v1/items/1", "write"),
        ("POST", "/healthz", "write"),
        ("GET", "/v1/model", "read"),
        ("POST", "/v1/model", "admin"),
        ("POST", "/v1/model/rollback", "admin"),
        ("DELETE", "/v1/users/1", "admin"),
        ("POST", "/v1/something/new", "write"),
    ],
)
def test_every_call_needs_its_scope(method: str, path: str, scope: str | None) -> None:
    assert needed_scope(method, path) == scope


def test_keys_open_what_their_scopes_say(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    reader, writer = make_key(path, "r", ["read"]), make_key(path, "w", ["read", "write"])
    app = Access(echo, ApiKeys(path))
    assert request(app, path="/healthz").status == 200
    refused = request(app)
    assert refused.status == refused.problem["status"] == 401 and refused.headers["www-authenticate"].startswith("Bearer")
    assert request(app, headers={"authorization": "Bearer wrong"}).status == 401
    assert request(app, headers={"authorization": f"Basic {reader}"}).status == 401
    for headers in ({"authorization": f"Bearer {reader}"}, {"authorization": f"bearer {reader}"}, {"x-api-key": reader}):
        assert request(app, headers={"host": "shop.example", **headers}).status == 200
        assert request(app, "POST", "/v1/events", headers).problem["type"] == "urn:mmrec:problem:missing-scope"
    assert request(app, "POST", "/v1/events", {"x-api-key": writer}).status == 200
    assert request(app, "POST", "/v1/model", {"x-api-key": writer}).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"])
def test_without_keys_this_machine_is_answered(host: str) -> None:
    assert request(Access(echo, None), "POST", "/v1/events", {"host": host}).status == 200


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "[::1].evil"])
def test_without_keys_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    assert request(Access(echo, None), headers={"host": host}).problem["status"] == 421


@pytest.mark.parametrize(("origin", "status"), [("http://localhost:8000", 200), ("http://localhost:9", 403), ("null", 403), ("x", 403)])
def test_pages_of_other_sites_change_nothing(origin: str, status: int) -> None:
    assert request(Access(echo, None), "POST", "/v1/events", {"origin": origin}).status == status


def test_a_network_is_not_listened_to_without_keys(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        check_exposure(host, None)
    make_key(tmp_path / "keys.jsonl", "a", ["read"])
    check_exposure("0.0.0.0", ApiKeys(tmp_path / "keys.jsonl"))
    for host in ("0.0.0.0", "::", "192.168.1.2", "shop.example"):
        with pytest.raises(ConfigError, match=r"^host: expected a loopback address"):
            check_exposure(host, None)
