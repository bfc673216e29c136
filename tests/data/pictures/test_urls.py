"""Pictures named by URL, from a server on this machine: each fetched once, from allowed hosts, and every failure a problem of its row."""

import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from mmrec.data.pictures import urls as module
from mmrec.data.pictures.pairs import read_pairs
from mmrec.data.pictures.urls import N_SILENT, fetch_pictures, read_all_pictures
from mmrec.types import Dataset, Hosts
from tests.web import Page, Web, serve

HERE = Hosts(("localhost",), private=True)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        web.pages |= {"/a.png": Page(b"A"), "/b.png": Page(b"B")}
        yield web


def shop(root: Path, images: dict[str, str | None], hosts: Hosts = HERE) -> Dataset:
    items = pl.DataFrame({"item_id": list(images), "image": list(images.values())}, schema={"item_id": pl.String, "image": pl.String})
    return Dataset("shop", root, pl.DataFrame(), items, (), "image", hosts=hosts)


def test_urls_and_paths_side_by_side(web: Web, tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(b"C")
    images = {"1": web.url("/a.png"), "2": None, "3": "c.png", "4": web.url("/b.png"), "5": "gone.png", "6": web.url("/a.png")}
    pictures, problems = read_all_pictures(shop(tmp_path, images), ["6", "5", "4", "3", "2", "1"], tmp_path / "cache")
    assert [pictures[position] for position in range(6)] == [b"A", None, b"B", b"C", None, b"A"]
    assert list(pictures[2:4]) == [b"B", b"C"] and len(pictures) == 6
    assert [problem.position for problem in problems] == [1]
    assert sorted(web.paths()) == ["/a.png", "/b.png"]


def test_each_is_fetched_once_and_written_down(web: Web, tmp_path: Path) -> None:
    dataset = shop(tmp_path, {"1": web.url("/a.png"), "2": web.url("/b.png")})
    for _ in range(2):
        pictures, _ = read_all_pictures(dataset, ["1", "2"], tmp_path / "cache")
        assert list(pictures) == [b"A", b"B"]
    assert len(web.asked) == 2
    folder = tmp_path / "cache/pictures"
    entries = sorted((json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()), key=lambda entry: entry["url"])
    assert entries == [
        {"url": web.url(f"/{name}.png"), "sha256": hashlib.sha256(raw).hexdigest(), "n_bytes": 1}
        for name, raw in (("a", b"A"), ("b", b"B"))
    ]
    names = {hashlib.sha256(entry["url"].encode()).hexdigest() for entry in entries}
    assert {path.name for path in folder.iterdir()} == {*names, "manifest.jsonl"}


def test_only_the_items_that_are_asked_for(web: Web, tmp_path: Path) -> None:
    read_all_pictures(shop(tmp_path, {"1": web.url("/a.png"), "2": web.url("/b.png")}), pl.Series(["2"]), tmp_path)
    assert web.paths() == ["/b.png"]


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        (Hosts(private=True), r"pictures are fetched only from hosts that you name: data\.allow_hosts=\[localhost\]"),
        (Hosts(("images.example",), private=True), r"the host `localhost` is not among those that may be fetched from \(images\.example\)"),
        (Hosts(("localhost",)), r"localhost is .*, not a public internet address; if it is intended: data\.allow_private=true"),
    ],
)
def test_nothing_is_fetched_from_where_it_may_not(web: Web, tmp_path: Path, hosts: Hosts, reason: str) -> None:
    dataset = shop(tmp_path, {"1": None, "2": web.url("/a.png")}, hosts)
    pictures, (problem,) = read_all_pictures(dataset, ["1", "2"], tmp_path)
    assert list(pictures) == [None, None] and web.asked == []
    assert problem.position == 1
    assert re.search(reason, problem.reason)


def test_what_fails_is_a_problem_and_tried_again(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    web.pages |= {"/large.png": Page(b"x" * 11), "/moved.png": Page(b"", 302, {"Location": "http://elsewhere.example/"})}
    names = ["gone", "large", "moved", "a"]
    dataset = shop(tmp_path, {name: web.url(f"/{name}.png") for name in names})
    pictures, problems = read_all_pictures(dataset, names, tmp_path)
    assert list(pictures) == [None, None, None, b"A"]
    assert [problem.position for problem in problems] == [0, 1, 2]
    for problem, words in zip(problems, ("answers 404", "at most 10 bytes", "`elsewhere.example` is not among"), strict=True):
        assert words in problem.reason
    web.pages["/gone.png"] = Page(b"G")
    pictures, problems = read_all_pictures(dataset, names, tmp_path)
    assert list(pictures) == [b"G", None, None, b"A"]
    assert web.paths().count("/a.png") == 1


def test_a_host_that_is_silent_is_left_alone(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "N_AT_ONCE", 1)
    dead = [f"http://127.0.0.1:9/{n}" for n in range(N_SILENT + 5)]
    found = fetch_pictures([*dead, web.url("/a.png")], tmp_path, Hosts(("127.0.0.1", "localhost"), private=True))
    reasons = [reason for _, reason in found.values()]
    assert all("could not be fetched" in reason for reason in reasons[:N_SILENT])
    assert all("did not answer 8 times in a row and was not asked again" in reason for reason in reasons[N_SILENT:-1])
    assert reasons[-1] == ""


def test_answers_that_say_no_are_no_silence(tmp_path: Path, web: Web) -> None:
    urls = [web.url(f"/none{n}") for n in range(3 * N_SILENT)]
    found = fetch_pictures([*urls, web.url("/a.png")], tmp_path, HERE)
    assert all("answers 404" in found[url][1] for url in urls) and found[web.url("/a.png")][1] == ""


def test_no_more_than_eight_at_once(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def fetch(self: object, url: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return "no"

    monkeypatch.setattr(module._Fetcher, "fetch", fetch)
    fetch_pictures([f"http://x/{n}" for n in range(40)], tmp_path, Hosts(("x",)))
    assert 1 < most <= 8


def test_whatever_is_beside_the_picture_is_dropped_and_it_trains(tmp_path: Path, web: Web) -> None:
    raw, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "GPS of a home"
    Image.new("RGB", (8, 8), "red").save(raw, "JPEG", exif=exif)
    web.pages["/photo.jpg"] = Page(raw.getvalue())
    dataset = shop(tmp_path, {"1": web.url("/photo.jpg"), "2": web.url("/a.png")})
    dataset = Dataset(**{**vars(dataset), "items": dataset.items.with_columns(title=pl.lit("lamp")), "text_columns": ("title",)})
    pairs, (problem,) = read_pairs(dataset, 8, tmp_path / "cache")
    assert pairs.texts == [b"lamp"] and pairs.pictures.shape == (1, 3, 8, 8)
    assert problem.position == 1 and "not a picture" in problem.reason


def test_without_urls_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(b"C")
    pictures, problems = read_all_pictures(shop(tmp_path, {"1": "c.png", "2": None}), ["1", "2"], tmp_path / "cache")
    assert list(pictures) == [b"C", None] and problems == []
    assert not (tmp_path / "cache").exists()
    without = Dataset("shop", tmp_path, pl.DataFrame(), pl.DataFrame({"item_id": ["1"]}), ())
    assert read_all_pictures(without, ["1"], tmp_path) == ([None], [])
