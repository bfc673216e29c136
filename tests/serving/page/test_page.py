"""The page and the documentation: whole without a script, of this service's own files, and silent about users where keys are needed."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from mmrec.serving.api.front import make_front
from mmrec.serving.events.event import Event
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.page.routes import FOLDER
from mmrec.serving.security import ApiKeys, Limits, make_key
from mmrec.serving.service import Service
from tests.serving.asgi_client import request
from tests.serving.made_run import served, write_run


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(served(write_run(tmp_path / "run-1")), MemoryEventStore(), time.time)


@pytest.fixture
def app(service: Service) -> Any:
    return make_front(service)


def items(html: bytes) -> list[str]:
    return re.findall(r'<li data-item="([^"]*)"', html.decode())


def test_the_page_has_a_list_without_its_script(app: Any) -> None:
    answer = request(app, path="/")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    assert items(answer.body)[0] == "z" and b"Popular now" in answer.body and b"4 items, 3 users" in answer.body
    assert b'<option value="2">' in answer.body


def test_the_page_takes_everything_from_this_service(app: Any) -> None:
    """As the content security policy demands: no address of another site, no style or script inside."""
    for path in ("/", "/docs"):
        html = request(app, path=path).body.decode()
        links = re.findall(r'(?:src|href|action)="([^"]*)"', html)
        assert links and all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", html)
        for name in re.findall(r'"/static/([^"]+)"', html):
            assert request(app, path=f"/static/{name}").body == (FOLDER / name).read_bytes()
    assert request(app, path="/static/page.html.j2").status == 404


def test_text_of_others_is_escaped(service: Service, app: Any) -> None:
    service.store.append([Event("1", "<script>alert(1)</script>", "w", time.time())])
    html = request(app, path="/", query=b"user=%3Cscript%3Ealert(1)%3C/script%3E").body
    assert b"<script>alert" not in html and b"&lt;script&gt;alert" in html and "w" not in items(html)


def test_the_documentation_has_every_call_with_its_scope(app: Any) -> None:
    html = request(app, path="/docs").body.decode()
    for call in ("GET /v1/users/{user_id}/recommendations", "POST /v1/events", "POST /v1/model/rollback"):
        assert f"<code>{call}</code>" in html
    assert "scope <code>admin</code>" in html and "&#34;event_id&#34;" in html


def test_with_keys_the_page_names_no_user_and_no_item(service: Service, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.jsonl", "reader", ["read"])
    app = make_front(service, keys=ApiKeys(tmp_path / "keys.jsonl"))
    html = request(app, path="/", query=b"user=1").body
    assert not items(html) and b"<option value=" not in html and b'data-has-keys="yes"' in html
    assert request(app, path="/docs").status == 200
    for path in ("/v1/users/1/recommendations", "/metrics", "/v1/model"):
        assert request(app, path=path).status == 401
        assert request(app, path=path, headers={"x-api-key": key}).status == 200


def test_the_whole_application_counts_limits_and_refuses(service: Service) -> None:
    app = make_front(service, limits=Limits(max_body_bytes=200))
    body = b'{"event_id": "e1", "user_id": "3", "item_id": "w"}'
    for new in (1, 0):
        answer = request(app, "POST", "/v1/events", {"content-type": "application/json"}, [body])
        assert answer.status == 202 and f'"stored":{new}'.encode() in answer.body
    request(app, path="/v1/users/3/recommendations")
    page = request(app, path="/metrics").body.decode()
    assert "mmrec_events_total 1.0" in page and 'route="/v1/users/{user_id}/recommendations",status="200"} 1.0' in page
    assert "mmrec_index_items 4.0" in page
    assert request(app, "POST", "/v1/events", {"content-type": "application/json"}, [b" " * 201]).problem["status"] == 413
    assert request(app, "POST", "/v1/events", {"content-type": "text/plain"}, [body]).problem["status"] == 415
    assert request(app, path="/v1/model", headers={"host": "evil.example"}).problem["status"] == 421
