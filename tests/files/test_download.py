"""Downloads from a server on this machine: whole or not at all, from where it was meant, and taken up again where they broke off."""

import contextlib
import hashlib
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmrec.errors import DownloadError
from mmrec.files import download as module
from mmrec.files.download import NoAnswer, download
from mmrec.types import Hosts
from tests.web import Page, Web, serve

BODY = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
ETAG = {"ETag": '"one"'}


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        yield web


def fetch(web: Web, target: Path, path: str = "/file", **changed: object) -> Path:
    settings = {"max_bytes": 10**6, "hosts": Hosts(("localhost",), private=True), "timeout_s": 5.0} | changed
    return download(web.url(path), target, **settings)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_bytes_come_once_and_nothing_else_is_left(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers=ETAG)
    for _ in range(2):
        assert fetch(web, tmp_path / "new/file", sha256=SHA256) == tmp_path / "new/file"
    assert (tmp_path / "new/file").read_bytes() == BODY
    assert left(tmp_path / "new") == ["file"]
    ((_, headers),) = web.asked
    assert headers["accept-encoding"] == "identity" and headers["host"] == f"localhost:{web.port}"
    assert headers["user-agent"].startswith("mmrec/") and "range" not in headers


def test_one_at_a_time(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, block=100_000, pause_s=0.1)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: fetch(web, tmp_path / "file").read_bytes(), range(6)))
    assert found == [BODY] * 6
    assert len(web.asked) == 1 and left(tmp_path) == ["file"]


def test_chunks_have_an_end_and_need_no_length(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, chunked=True)
    assert fetch(web, tmp_path / "file").read_bytes() == BODY


def test_a_target_with_another_hash_is_replaced(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    web.pages["/file"] = Page(BODY)
    assert fetch(web, tmp_path / "file", sha256=SHA256).read_bytes() == BODY


def test_another_hash_is_refused_and_the_target_stays(web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    web.pages["/file"] = Page(BODY + b"!", headers=ETAG)
    found = hashlib.sha256(BODY + b"!").hexdigest()
    with pytest.raises(DownloadError, match=f"expected sha256 {SHA256}, found {found}"):
        fetch(web, tmp_path / "file", sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert left(tmp_path) == ["file"]


def test_a_transfer_that_breaks_off_is_taken_up_where_it_was(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers=ETAG, cuts=[100_000, 50_000])
    assert fetch(web, tmp_path / "file", sha256=SHA256).read_bytes() == BODY
    ranges = [headers.get("range") for _, headers in web.asked]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert [headers.get("if-range") for _, headers in web.asked] == [None, '"one"', '"one"']


def test_what_came_is_kept_when_it_breaks_off_for_good(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers=ETAG, cuts=[100_000, 0, 0])
    with pytest.raises(NoAnswer, match=r"could not be fetched: .*; 100,000 bytes are kept, and the next attempt resumes from there"):
        fetch(web, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert fetch(web, tmp_path / "file").read_bytes() == BODY
    assert web.asked[-1][1]["range"] == "bytes=100000-"


@pytest.mark.parametrize("change", ["no ranges", "another file", "no etag", "weak etag"])
def test_where_nothing_can_be_added_it_starts_anew(web: Web, tmp_path: Path, change: str) -> None:
    headers = {"no etag": {}, "weak etag": {"ETag": 'W/"one"'}}.get(change, ETAG)
    web.pages["/file"] = page = Page(b"x" * 200_000, headers=dict(headers), cuts=[100_000, 0, 0])
    with pytest.raises(NoAnswer):
        fetch(web, tmp_path / "file")
    page.body, page.cuts, page.ranges = BODY, [], change != "no ranges"
    if change == "another file":
        page.headers["ETag"] = '"two"'
    assert fetch(web, tmp_path / "file").read_bytes() == BODY
    assert left(tmp_path) == ["file"]


def test_a_part_that_is_longer_than_the_file_starts_anew(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = page = Page(b"x" * 200_000, headers=ETAG, cuts=[150_000, 0, 0])
    with pytest.raises(NoAnswer):
        fetch(web, tmp_path / "file")
    page.body = BODY[:1000]
    assert fetch(web, tmp_path / "file").read_bytes() == BODY[:1000]


def test_a_range_that_was_not_asked_for_is_refused(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers={**ETAG, "Content-Range": "bytes 5-9/300000"}, cuts=[100_000], status=206)
    with pytest.raises(DownloadError, match="expected the file, the server answers 206"):
        fetch(web, tmp_path / "file")
    web.pages["/file"] = Page(BODY, headers=ETAG, cuts=[100_000, 0, 0])
    with pytest.raises(NoAnswer):
        fetch(web, tmp_path / "file")
    web.pages["/file"] = Page(BODY, headers={**ETAG, "Content-Range": "bytes 5-9/300000"}, status=206, ranges=False)
    with pytest.raises(DownloadError, match="expected what follows byte 100000, the server sends `bytes 5-9/300000`"):
        fetch(web, tmp_path / "file")


KILLED = """
import sys
from pathlib import Path
from mmrec.files.download import download
from mmrec.types import Hosts
download(sys.argv[1], Path(sys.argv[2]), max_bytes=10**6, hosts=Hosts(("localhost",), private=True))
"""


def test_a_kill_in_between_loses_nothing(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = page = Page(BODY, headers=ETAG, block=10_000, pause_s=0.3)
    process = subprocess.Popen([sys.executable, "-c", KILLED, web.url("/file"), str(tmp_path / "file")])
    part = tmp_path / ".file.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size >= 40_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert 40_000 <= kept < len(BODY) and not (tmp_path / "file").exists()
    page.pause_s = 0.0
    assert fetch(web, tmp_path / "file").read_bytes() == BODY  # no hash: the bytes are right without
    assert web.asked[-1][1]["range"] == f"bytes={kept}-"


@pytest.mark.parametrize("page", [Page(BODY), Page(BODY, chunked=True), Page(BODY, declares=10**9)], ids=["declared", "actual", "lie"])
def test_too_many_bytes(web: Web, tmp_path: Path, page: Page) -> None:
    web.pages["/file"] = page
    with pytest.raises(DownloadError, match=r"expected at most 299,999 bytes, the server (declares|sends)"):
        fetch(web, tmp_path / "file", max_bytes=len(BODY) - 1)
    assert left(tmp_path) == []


def test_a_length_that_nobody_tells_is_refused(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, declares=-1)
    with pytest.raises(DownloadError, match="does not send its length"):
        fetch(web, tmp_path / "file")


def test_compressed_answers_are_refused(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(DownloadError, match="expected the bytes as they are, the server sends them as gzip"):
        fetch(web, tmp_path / "file")


def test_a_server_that_says_nothing(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, block=1000, pause_s=5)
    start = time.monotonic()
    with pytest.raises(NoAnswer, match="could not be fetched"):
        fetch(web, tmp_path / "file", timeout_s=0.3)
    assert time.monotonic() - start < 3


def test_a_server_that_drips_reaches_the_total(web: Web, tmp_path: Path) -> None:
    web.pages["/file"] = Page(BODY, headers=ETAG, block=100, pause_s=0.05)
    start = time.monotonic()
    with pytest.raises(NoAnswer, match="bytes are kept"):
        fetch(web, tmp_path / "file", timeout_s=5.0, total_s=0.5)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("drips", [False, True], ids=["hangs", "drips headers"])
def test_a_server_that_never_comes_to_the_point(tmp_path: Path, drips: bool) -> None:
    """A header that grows byte by byte keeps every single wait short."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.02):
                    connection.sendall(b"x" if drips else b"")

        thread = threading.Thread(target=accept)
        thread.start()
        url, start = f"http://localhost:{server.getsockname()[1]}/", time.monotonic()
        limits = {"timeout_s": 30.0 if drips else 0.5, "total_s": 0.5 if drips else 30.0}
        with pytest.raises(NoAnswer, match="could not be fetched"):
            download(url, tmp_path / "x", max_bytes=9, hosts=Hosts(("localhost",), private=True), **limits)
        assert time.monotonic() - start < 3
        over.set()
        thread.join()


def test_a_status_is_said(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="expected the file, the server answers 404 Not Found"):
        fetch(web, tmp_path / "file", "/none")
    assert web.paths() == ["/none"]  # not asked again


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    with pytest.raises(NoAnswer, match=r"could not be fetched: .*refused.*the proxy in https_proxy is not used"):
        download("http://localhost:9/x", tmp_path / "x", max_bytes=9, hosts=Hosts(("localhost",), private=True))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web: Web, tmp_path: Path, status: int) -> None:
    web.pages |= {"/file": Page(b"moved", status, {"Location": "/a/../there?x=1"}), "/there?x=1": Page(BODY)}
    assert fetch(web, tmp_path / "file").read_bytes() == BODY


def test_five_redirects_and_no_sixth(web: Web, tmp_path: Path) -> None:
    web.pages |= {f"/{n}": Page(b"", 302, {"Location": f"/{n - 1}"}) for n in range(1, 7)} | {"/0": Page(BODY)}
    assert fetch(web, tmp_path / "file", "/5").read_bytes() == BODY
    with pytest.raises(DownloadError, match="/6: is redirected more than 5 times"):
        fetch(web, tmp_path / "other", "/6")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://elsewhere.example/file", r"the host `elsewhere\.example` is not among those that may be fetched from \(localhost\)"),
        ("http://127.0.0.1:{port}/there", r"the host `127\.0\.0\.1` is not among those"),
        ("ftp://localhost/file", "expected http://host/path or https://host/path"),
        ("file:///etc/passwd", "expected http://host/path or https://host/path"),
        ("http://user:word@localhost:{port}/there", "no name or password in it"),
        ("", "is redirected to ``"),
    ],
)
def test_redirects_to_what_is_not_allowed(web: Web, tmp_path: Path, location: str, reason: str) -> None:
    web.pages |= {"/file": Page(b"", 302, {"Location": location.format(port=web.port)}), "/there": Page(BODY)}
    with pytest.raises(DownloadError, match=reason):
        fetch(web, tmp_path / "file")
    assert web.paths() == ["/file"]


HERE = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254"]


@pytest.mark.parametrize("host", HERE)
def test_this_machine_and_its_network_are_refused_even_when_the_host_is_allowed(web: Web, tmp_path: Path, host: str) -> None:
    with pytest.raises(DownloadError, match=r"not a public internet address; if it is intended: data\.allow_private=true"):
        download(web.url("/file", host), tmp_path / "file", max_bytes=10**6, hosts=Hosts((host.strip("[]"),)))
    assert web.asked == []


@pytest.mark.parametrize("host", HERE)
def test_a_redirect_to_them_is_refused_as_well(web: Web, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first host counts as one of the internet's here; the second is checked on its own."""
    known = module.CheckedBackend.connect_tcp

    def connect(self: module.CheckedBackend, host: str, port: int, *rest: object, **more: object) -> object:
        self.allow_private = not web.asked
        return known(self, host, port, *rest, **more)

    monkeypatch.setattr(module.CheckedBackend, "connect_tcp", connect)
    web.pages |= {"/file": Page(b"", 302, {"Location": web.url("/there", host)}), "/there": Page(BODY)}
    with pytest.raises(DownloadError, match="not a public internet address"):
        fetch(web, tmp_path / "file", hosts=Hosts(("localhost", host.strip("[]"))))
    assert web.paths() == ["/file"]


def test_from_https_to_http_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    """The transport is replaced: the server speaks no TLS, and the first answer is taken to have come by it."""
    web.pages |= {"/file": Page(b"", 302, {"Location": web.url("/there")}), "/there": Page(BODY)}
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", lambda _, sock, **__: sock)
    url = web.url("/file").replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"is redirected from https to http://localhost.*; unencrypted content is not accepted"):
        download(url, tmp_path / "file", max_bytes=10**6, hosts=Hosts(("localhost",), private=True))
    assert web.paths() == ["/file"]


def test_tls_asks_for_the_name_and_checks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    asked = []

    def wrap(context: ssl.SSLContext, sock: object, server_hostname: str) -> object:
        asked.append((server_hostname, context.check_hostname, context.verify_mode))
        raise ssl.SSLCertVerificationError("certificate verify failed")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    with pytest.raises(NoAnswer, match="certificate verify failed"):
        download(f"https://localhost:{web.port}/", tmp_path / "x", max_bytes=9, hosts=Hosts(("localhost",), private=True))
    assert set(asked) == {("localhost", True, ssl.CERT_REQUIRED)}


@pytest.mark.parametrize(
    ("host", "allowed", "is_allowed"),
    [
        ("cdn.hf.co", "*.hf.co", True),
        ("a.b.hf.co", "*.hf.co", True),
        ("CDN.hf.co", "cdn.HF.co", True),
        ("hf.co", "*.hf.co", False),
        ("evilhf.co", "*.hf.co", False),
        ("hf.co.evil.org", "hf.co", False),
        ("cdn.hf.co", "hf.co", False),
        ("hf.co", "*", False),
    ],
)
def test_allowed_hosts(tmp_path: Path, host: str, allowed: str, is_allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.CheckedBackend, "connect_tcp", lambda *_, **__: (_ for _ in ()).throw(DownloadError("connected")))
    with pytest.raises(DownloadError, match="connected" if is_allowed else "not among those"):
        download(f"http://{host}/x", tmp_path / "x", max_bytes=9, hosts=Hosts((allowed,)))


@pytest.mark.parametrize(
    "url", ["", "ftp://localhost/x", "localhost/x", "http:///x", "http://[::1", "http://a:b@localhost/x", "/etc/passwd"]
)
def test_no_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match=r"expected http://host/path|not a URL"):
        download(url, tmp_path / "x", max_bytes=9, hosts=Hosts(("localhost",)))
