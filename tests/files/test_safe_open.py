"""Files below a folder are read, and nothing else is: neither what lies outside nor what is no regular file, and nothing is waited for."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from mmrec.files import safe_open as inside
from mmrec.files.safe_open import check_inside, read_inside


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with everything that a name may lead to, beside a secret."""
    root = tmp_path / "shop"
    (root / "img").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"S")
    (root / "img" / "a.jpg").write_bytes(b"A")
    (root / "locked").write_bytes(b"L")
    (root / "locked").chmod(0)
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "parent").symlink_to(tmp_path)
    (root / "zero").symlink_to("/dev/zero")
    (root / "within").symlink_to("img")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    os.mkfifo(root / "pipe")
    return root


@pytest.mark.parametrize("name", ["img/a.jpg", "img/../img/a.jpg", "./img//a.jpg", "within/a.jpg"])
def test_names_that_stay_inside_are_read(shop: Path, name: str) -> None:
    check_inside(shop, name)
    assert read_inside(shop, name) == b"A"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "lies outside"),
        ("img/../../secret", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("out", "lies outside"),
        ("parent/secret", "lies outside"),
        ("zero", "lies outside"),
        ("..", "lies outside"),
        (".", "found a folder"),
        ("img", "found a folder"),
        ("pipe", "found a device or a pipe"),
        ("socket", "expected a regular file"),
        ("a", "cycle of symbolic links"),
        ("gone", "no such file"),
        ("img/a.jpg/b", "no such file"),
        ("nul\0.jpg", r"nul\\x00\.jpg: file names cannot contain NUL"),
        ("x" * 300, "too long"),
        ("x/" * 3000, "no such file"),
        ("\x1b[31mred", r"\\x1b\[31mred: there is no such file"),
        ("\udcff", "udcff"),
    ],
)
def test_everything_else_is_refused_with_a_reason(shop: Path, name: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for read in (check_inside, read_inside):
            with pytest.raises(ValueError, match=reason) as caught:
                read(shop, name)
            assert str(caught.value).isprintable() and len(str(caught.value)) < 600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(shop: Path) -> None:
    with pytest.raises(ValueError, match="no permission"):
        read_inside(shop, "locked")


def test_large_files_are_refused_unread(shop: Path) -> None:
    with open(shop / "large", "wb") as file:
        file.truncate(inside.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="52,428,801 bytes, more than 50 MB"):
        read_inside(shop, "large")


def test_a_path_that_changes_all_the_time_never_leads_out(shop: Path) -> None:
    """`img` is a folder and a link to the outside by turns: what is read is `A`, or nothing."""
    (shop.parent / "other").mkdir()
    (shop.parent / "other" / "a.jpg").write_bytes(b"S")
    end = time.monotonic() + 1

    def exchange() -> None:
        while time.monotonic() < end:
            (shop / "img").rename(shop / "moved")
            (shop / "img").symlink_to(shop.parent / "other")
            (shop / "img").unlink()
            (shop / "moved").rename(shop / "img")

    thread, found = threading.Thread(target=exchange), set()
    thread.start()
    while time.monotonic() < end:
        try:
            found.add(read_inside(shop, "img/a.jpg"))
        except ValueError as error:
            found.add(str(error))
    thread.join()
    assert b"S" not in found and len(found) > 1
