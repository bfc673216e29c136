"""A web server on this machine whose answers a test decides: whole, cut off, slow, redirected, with ranges or without."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What the server answers for one path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    """Whether `Range` is heeded, where `If-Range` is the ETag."""
    cuts: list[int] = field(default_factory=list)
    """How many bytes the first answers give before the connection breaks off; later ones give all."""
    block: int = 2**16
    pause_s: float = 0.0
    """Between blocks."""
    declares: int | None = None
    """Another length than the body has; -1: none at all."""
    chunked: bool = False


@dataclass
class Web:
    """The pages, and what was asked for."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "localhost") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def serve() -> Iterator[Web]:
    """A server of `Web.pages` on localhost, as long as the block lasts."""
    web = Web(0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            answer(self, web.pages.get(self.path, Page(b"nothing here", 404)))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, page: Page) -> None:
    """Sends a page as it wants to be sent."""
    body, status, headers = page.body, page.status, dict(page.headers)
    asked = handler.headers.get("Range", "")
    if page.ranges and asked and handler.headers.get("If-Range") == headers.get("ETag"):
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        status = 206 if start < len(body) else 416
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}" if status == 206 else f"bytes */{len(body)}"
        body = body[start:]
    handler.send_response(status)
    if page.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif page.declares != -1:
        headers["Content-Length"] = str(len(body) if page.declares is None else page.declares)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    end = page.cuts.pop(0) if page.cuts else len(body)
    try:
        for start in range(0, end, page.block):
            block = body[start : min(end, start + page.block)]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if page.chunked else block)
            handler.wfile.flush()
            time.sleep(page.pause_s)
        if page.chunked:
            handler.wfile.write(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
