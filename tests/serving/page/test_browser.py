"""The page in a real Chromium: likes change the list at once, by mouse and by keyboard, on wide and narrow screens, light and dark."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmrec.serving.api.front import make_front
from mmrec.serving.api.server import listen
from mmrec.serving.events.memory_store import MemoryEventStore
from mmrec.serving.security import ApiKeys, make_key
from mmrec.serving.service import Service
from tests.serving.made_run import served, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Two services on this machine, with and without keys, and their store."""
    import uvicorn

    store, servers, urls = MemoryEventStore(), [], []
    key = make_key(tmp_path / "keys.jsonl", "page", ["read", "write"])
    for keys in (None, ApiKeys(tmp_path / "keys.jsonl")):
        service, opened = Service(served(write_run(tmp_path / f"run-{len(urls)}")), store, time.time), listen("127.0.0.1", 0)
        urls.append(f"http://localhost:{opened.getsockname()[1]}/")
        server = uvicorn.Server(uvicorn.Config(make_front(service, keys=keys), log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        servers.append((server, thread, opened))
    yield SimpleNamespace(url=urls[0], url_with_keys=urls[1], key=key, store=store)
    for server, thread, opened in servers:
        server.should_exit = True
        thread.join()
        opened.close()


@pytest.fixture(params=[(1280, 900, "light"), (390, 844, "dark")], ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert not [one for one in problems if "401" not in one]


def items(page: Any) -> list[str]:
    page.wait_for_selector("#list:not([aria-busy]) .like")
    return page.eval_on_selector_all("#list li", "all => all.map(one => one.dataset.item)")


def shown(page: Any, part: str, text: str) -> None:
    """Waits for a text; not by a function in the page, which its content security policy forbids."""
    page.locator(f'#{part}:has-text("{text}")').wait_for()


def chosen(page: Any, item: str, button: str) -> None:
    with page.expect_response(lambda answer: "/v1/" in answer.url and "events" not in answer.url):
        page.click(f'#list li[data-item="{item}"] .{button}')


@pytest.mark.slow
def test_likes_of_nobody_make_a_list(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    assert set(items(page)) == {"w", "x", "y", "z"} and page.inner_text("#title") == "Popular now"
    chosen(page, "w", "like")
    assert "w" not in items(page) and page.inner_text("#title") == "For you" and "W" in page.inner_text("#history")
    assert page.evaluate("document.activeElement.className") == "like"
    chosen(page, items(page)[0], "similar")
    items(page)
    assert page.inner_text("#title").startswith("Similar to ") and page.is_visible("#by")
    page.click("#nobody")
    shown(page, "title", "Popular now")
    assert not site.store.export().height


@pytest.mark.slow
def test_likes_of_a_user_are_stored_and_change_the_list_with_the_keyboard_alone(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    items(page)
    page.focus("#user")
    page.keyboard.type("3")
    with page.expect_response("**/v1/users/3/recommendations*"):
        page.keyboard.press("Enter")
    first = items(page)[0]
    assert page.inner_text("#title") == "For 3" and page.evaluate("document.activeElement.id") == "title"
    while page.evaluate("document.activeElement.className") != "dislike":
        page.keyboard.press("Tab")
    with page.expect_response("**/v1/users/3/recommendations*"):
        page.keyboard.press("Enter")
    assert first not in items(page)
    (stored,) = site.store.history("3")
    assert (stored.item_id, stored.event) == (first, "dislike")


@pytest.mark.slow
def test_where_keys_are_needed_the_page_asks_for_one(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url_with_keys)
    shown(page, "reason", "needs an API key")
    page.fill("#key", "wrong")
    page.press("#key", "Enter")
    shown(page, "problem", "valid API key")
    page.fill("#key", site.key)
    page.press("#key", "Enter")
    assert len(items(page)) == 4 and page.inner_text("#problem") == ""
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.slow
def test_what_goes_wrong_is_said_on_the_page(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    items(page)
    page.set_input_files("#picture", {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    shown(page, "problem", "expected a picture, found text/plain")
    assert len(items(page)) == 4


@pytest.mark.slow
def test_a_critique_steers_the_list_by_the_keyboard_and_likes_go_on(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    items(page)
    page.focus("#critique")
    page.keyboard.type("dislike Z")
    with page.expect_response("**/v1/sessions/*/recommendations*"):
        page.keyboard.press("Enter")
    assert "z" not in items(page) and page.inner_text("#title") == "For you"
    assert page.inner_text("#answer") == "you dislike “Z”" and page.evaluate("document.activeElement.id") == "critique"
    page.fill("#critique", "rien du tout")
    page.press("#critique", "Enter")
    shown(page, "answer", "You can say: like 1")
    chosen(page, "w", "like")
    assert set(items(page)) == {"x", "y"} and page.inner_text("#answer") == "you like “W”"
    with page.expect_response("**/v1/sessions/*/recommendations*"):
        page.click("#undo")
    shown(page, "answer", "undone: like w")
    assert set(items(page)) == {"w", "x", "y"}
    page.fill("#user", "2")
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.press("#user", "Enter")
    assert set(items(page)) == {"w", "x", "y"} and page.inner_text("#answer") == "" and not site.store.export().height


@pytest.mark.slow
def test_why_is_said_in_the_card(page: Any, site: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "explain", lambda self, user, item_ids, k, language: dict.fromkeys(item_ids, (f"Because of {user}.",)))
    page.goto(site.url)
    items(page)
    page.click('#list li[data-item="w"] .why')
    place = page.locator('#list li[data-item="w"] .sentences')
    place.wait_for()
    assert place.inner_text() == page.inner_text("#reason")
    page.click('#list li[data-item="w"] .why')
    place.wait_for(state="hidden")
    page.fill("#user", "3")
    with page.expect_response("**/v1/users/3/recommendations*"):
        page.press("#user", "Enter")
    items(page)
    page.focus('#list li[data-item="w"] .why')
    page.keyboard.press("Enter")
    place.wait_for()
    assert place.inner_text() == "Because of 3." and page.get_attribute('#list li[data-item="w"] .why', "aria-expanded") == "true"
