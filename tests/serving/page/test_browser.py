"""The page in a real Chromium: likes change the list at once, by mouse and by keyboard, on wide and narrow screens, light and dark."""

import base64
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import mmrec
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


@contextmanager
def answering(service: Service, keys: ApiKeys | None = None) -> Iterator[str]:
    """The address at which a service answers."""
    import uvicorn

    opened = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_front(service, keys=keys), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([opened],))
    thread.start()
    yield f"http://localhost:{opened.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    opened.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Two services on this machine, with and without keys, and their store."""
    store = MemoryEventStore()
    key = make_key(tmp_path / "keys.jsonl", "page", ["read", "write"])
    open_one, with_keys = (Service(served(write_run(tmp_path / name)), store, time.time) for name in ("run-0", "run-1"))
    with answering(open_one) as url, answering(with_keys, ApiKeys(tmp_path / "keys.jsonl")) as url_with_keys:
        yield SimpleNamespace(url=url, url_with_keys=url_with_keys, key=key, store=store)


@pytest.fixture(scope="module")
def shop(cold_run: Path, browser: Any) -> Iterator[str]:
    """The address of a shop whose items have pictures."""
    with answering(mmrec.open_run(cold_run).service()) as url:
        yield url


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
def test_words_find_items_and_the_list_comes_back(page: Any, site: SimpleNamespace) -> None:
    page.goto(site.url)
    items(page)
    page.keyboard.press("Tab")  # to the link that skips to the list
    while page.evaluate("document.activeElement.id") != "q":
        page.keyboard.press("Tab")
    page.keyboard.type("y or w")
    with page.expect_response("**/v1/search?*"):
        page.keyboard.press("Enter")
    assert set(items(page)) == {"w", "y"} and page.inner_text("#title") == "Matches of “y or w”"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "back"
    with page.expect_response("**/v1/recommendations"):
        page.keyboard.press("Enter")
    assert len(items(page)) == 4 and page.inner_text("#title") == "Popular now"
    page.fill("#q", "nothing like that")
    page.press("#q", "Enter")
    shown(page, "reason", "no items")
    assert not page.query_selector_all("#list li")


@pytest.mark.slow
def test_a_picture_that_is_dropped_finds_items_that_look_like_it(page: Any, shop: str, shop_folder: Path) -> None:
    page.goto(shop)
    items(page)
    raw = (shop_folder / "i1.jpg").read_bytes()
    wanted = httpx.post(f"{shop}v1/search?k=12", content=raw, headers={"content-type": "image/jpeg"}, timeout=60).json()["items"]
    content = base64.b64encode(raw).decode()
    dropped = page.evaluate_handle(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0)), files = new DataTransfer();
            files.items.add(new File([bytes], "lamp.jpg", {type: "image/jpeg"}));
            return files;
        }""",
        content,
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": dropped})
    assert "dropping" in page.get_attribute("body", "class")
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/v1/search" in answer.url):
        page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    assert items(page) == [one["item_id"] for one in wanted] and page.inner_text("#title") == "Like the picture lamp.jpg"
    assert "dropping" not in (page.get_attribute("body", "class") or "")
    page.locator("#list li:first-child img").evaluate("image => image.decode()")  # raises if it does not load
    first = items(page)[0]
    chosen(page, first, "like")
    assert first not in items(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen_or_hard_to_read(browser: Any, site: SimpleNamespace, width: int) -> None:
    """In both colour schemes: no horizontal scrolling, text of at least 4.5 to 1, and buttons that a finger can meet."""
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.goto(site.url + "?user=" + "long" * 40)
        items(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = page.evaluate(CONTRASTS)
        assert found and min(found.values()) >= 4.5, found
        heights = page.eval_on_selector_all("button", "all => all.filter(one => one.offsetParent).map(one => one.offsetHeight)")
        assert min(heights) >= (44 if width <= 480 else 24)
        page.goto(site.url + "docs")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


CONTRASTS = """() => {
    const light = (colour) => {
        const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((one) => one / 255);
        const [r, g, b] = parts.map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const below = (one) => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (!/rgba\\(.*, 0\\)|transparent/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const found = {};
    for (const one of document.querySelectorAll("h1, h2, h3, p, b, label, button, a, dt, dd, input")) {
        if (!one.offsetParent || !(one.textContent.trim() || one.value)) continue;
        const [high, low] = [light(getComputedStyle(one).color), light(below(one))].sort((a, b) => b - a);
        found[`${one.tagName} ${one.textContent.trim().slice(0, 20)}`] = (high + 0.05) / (low + 0.05);
    }
    return found;
}"""
"""The contrast of every text with what is below it, as WCAG defines it."""


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
    with page.expect_response("**/v1/sessions/*/recommendations*"):
        page.press("#critique", "Enter")
    shown(page, "answer", "You can say: like 1")
    with page.expect_response("**/v1/sessions/*/recommendations*"):
        page.click('#list li[data-item="w"] .like')
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
