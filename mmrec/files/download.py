"""Download files, only from allowed hosts at public addresses, with verified size and hash.

Partial downloads are kept next to the target, so an interrupted download, even if killed, resumes where it stopped. Proxies from the
environment are not used: a proxy resolves names itself, so the addresses could not be checked.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from ssl import SSLContext

import httpcore
import httpx

from mmrec.errors import DownloadError
from mmrec.files.lock import locked
from mmrec.files.progress import BYTES, Update, no_progress, open_progress
from mmrec.files.public_address import CheckedBackend
from mmrec.files.storage import sha256_file, sync_folder, write_json
from mmrec.types import Hosts

_log = logging.getLogger(__name__)
MAX_REDIRECTS = 5
N_ATTEMPTS = 3
"""The number of attempts for an interrupted transfer within one call."""
PUBLISHED_S = 86_400.0
"""The time limit for published datasets, the largest of which have tens of gigabytes."""
_REDIRECTS = (301, 302, 303, 307, 308)


class NoAnswer(DownloadError):
    """The host could not be reached, timed out or closed the connection."""


def download(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    hosts: Hosts,
    sha256: str | None = None,
    timeout_s: float = 30.0,
    total_s: float = 3600.0,
    show: bool = True,
) -> Path:
    """Download `url` to the file `target` atomically; do nothing if the file exists with the right hash.

    Args:
        url: http or https.
        target: the file to create; a partial download is kept next to it.
        max_bytes: the size limit, whatever the server declares.
        hosts: the hosts that `url` and its redirects may refer to.
        sha256: of the whole file, in hex. None: the hash is not checked.
        timeout_s: for a single step: a connection, a block of bytes.
        total_s: for the whole download.
        show: whether to report progress.

    Returns:
        `target`.

    Raises:
        DownloadError: the host, address, size, hash or response is not acceptable; NoAnswer if there was no complete response.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        if target.is_file() and (sha256 is None or sha256_file(target) == sha256):
            return target
        part = _Part(target)
        with (open_progress if show else no_progress)(target.name, BYTES) as update:
            _Transfer(max_bytes, hosts, timeout_s, total_s).fetch(url, part, update)
        if sha256 is not None and (found := sha256_file(part.path)) != sha256:
            part.drop()
            raise DownloadError(f"{url}: expected sha256 {sha256}, found {found}: it is another file")
        part.finish()
    return target


def download_pinned(
    url: str,
    folder: Path,
    sha256: str | None,
    key: str,
    terms: str,
    max_bytes: int,
    allow_private: bool = False,
    revision_hosts: Sequence[str] | None = None,
) -> Path:
    """Download a published file to `folder`, pinned by its hash or by a URL with a revision, and show its terms of use.

    Args:
        url, sha256, max_bytes: as in `download`.
        folder: the folder for the file, whose name is that in the URL.
        key: the configuration key for the hash, for messages.
        terms: the terms of use, shown after a download.
        allow_private: whether the hosts may be on this machine or its local network.
        revision_hosts: hosts that the URL may redirect to, if it contains a revision, which pins the content like a hash. None: it does
            not.

    Returns:
        The path of the file.

    Raises:
        DownloadError: as in `download`; or the file is not pinned, in which case the message contains its hash.
    """
    target = folder / Path(_parse(url).path).name
    is_first = not target.is_file()
    hosts = Hosts((_parse(url).host, *(revision_hosts or ())), allow_private)
    download(url, target, max_bytes=max_bytes, hosts=hosts, sha256=sha256, total_s=PUBLISHED_S)
    if is_first:
        for line in terms.splitlines():
            _log.info(line)
    if sha256 is None and revision_hosts is None:
        raise DownloadError(f"{url}: no hash is pinned for it, so it is not used; if you trust the file: {key}={sha256_file(target)}")
    return target


class _Part:
    """A partial download: its bytes, and next to it the URL and ETag with which it can be resumed."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path, self.origin = (target.with_name(f".{target.name}.{suffix}") for suffix in ("part", "part.json"))

    def etag(self, url: str) -> str | None:
        """The ETag for resuming; None if there are no bytes, or they are from another URL."""
        try:
            origin = json.loads(self.origin.read_text(encoding="utf-8"))
            return origin["etag"] if origin["url"] == url and self.size else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, url: str, etag: str | None) -> None:
        """Start from scratch. Weak ETags are ignored, since different files may share them."""
        self.drop()
        self.path.touch()
        if etag is not None and not etag.startswith("W/"):
            write_json(self.origin, {"url": url, "etag": etag})

    def drop(self) -> None:
        self.origin.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Move the bytes durably to the target."""
        with open(self.path, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self.origin.unlink(missing_ok=True)
        sync_folder(self.target.parent)


class _Transfer:
    """The transfer of one file with its limits and allowed hosts."""

    def __init__(self, max_bytes: int, hosts: Hosts, timeout_s: float, total_s: float) -> None:
        self.max_bytes, self.hosts = max_bytes, hosts
        self.backend = CheckedBackend(time.monotonic() + total_s, hosts.private)
        self.timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)

    def fetch(self, url: str, part: _Part, update: Update) -> None:
        """Download the whole file into `part`, resuming after interruptions."""
        with httpcore.ConnectionPool(ssl_context=_tls(), network_backend=self.backend) as pool:
            for left in reversed(range(N_ATTEMPTS)):
                try:
                    self._attempt(pool, url, part, update)
                    return
                except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
                    if not left or isinstance(error, httpcore.TimeoutException):
                        kept = f"; {part.size:,} bytes are kept, and the next attempt resumes from there" if part.etag(url) else ""
                        raise NoAnswer(f"{url} could not be fetched: {str(error) or 'it took too long'}{kept}{_proxy_hint()}") from error

    def _attempt(self, pool: httpcore.ConnectionPool, url: str, part: _Part, update: Update) -> None:
        etag = part.etag(url)
        headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", f"mmrec/{version('mmrec')}")]
        if etag is not None:
            headers += [("Range", f"bytes={part.size}-"), ("If-Range", etag)]
        with self._open(pool, url, headers) as answer:
            fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            if answer.status == 416 and etag is not None:  # the partial file is complete, or longer than the file: start again
                part.drop()
                raise httpcore.ReadError("the server has no more of it")
            start = part.size if answer.status == 206 and etag is not None else 0
            if answer.status not in ((200, 206) if etag is not None else (200,)):
                raise DownloadError(f"{url}: expected the file, the server answers {answer.status}{_phrase(answer)}")
            if fields.get("content-encoding", "identity") != "identity":
                raise DownloadError(f"{url}: expected the bytes as they are, the server sends them as {fields['content-encoding']}")
            if start and not fields.get("content-range", "").startswith(f"bytes {start}-"):
                part.drop()
                raise DownloadError(f"{url}: expected what follows byte {start}, the server sends `{fields.get('content-range', '')}`")
            if not start:
                part.begin(url, fields.get("etag"))
            self._write(answer, _length(url, fields), start, part, url, update)

    def _write(self, answer: httpcore.Response, length: int | None, start: int, part: _Part, url: str, update: Update) -> None:
        size, total = start, None if length is None else start + length
        self._check_size(url, total or 0, part, "declares")
        with open(part.path, "ab", buffering=0) as file:
            for block in answer.iter_stream():
                size += len(block)
                self._check_size(url, size, part, "sends")
                file.write(block)
                update(size, total)

    def _check_size(self, url: str, size: int, part: _Part, what: str) -> None:
        if size > self.max_bytes:
            part.drop()
            raise DownloadError(f"{url}: expected at most {self.max_bytes:,} bytes, the server {what} {size:,} or more")

    @contextmanager
    def _open(self, pool: httpcore.ConnectionPool, url: str, headers: list[tuple[str, str]]) -> Iterator[httpcore.Response]:
        """Open the response after all redirects, each of which is checked like the first URL."""
        here = _parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check_host(here)
            address = httpcore.URL(scheme=here.raw_scheme, host=here.raw_host, port=here.port, target=here.raw_path)
            with pool.stream("GET", address, headers=headers, extensions={"timeout": self.timeouts}) as answer:
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                location = next((value for name, value in answer.headers if name.lower() == b"location"), b"").decode("latin-1")
            there = _parse(location, here)
            if here.scheme == "https" and there.scheme == "http":
                raise DownloadError(f"{here}: is redirected from https to {there}; unencrypted content is not accepted")
            here = there
        raise DownloadError(f"{url}: is redirected more than {MAX_REDIRECTS} times")

    def _check_host(self, url: httpx.URL) -> None:
        if not self.hosts.has(url.host):
            allowed = ", ".join(self.hosts.names) or "none"
            raise DownloadError(f"{url}: the host `{url.host}` is not among those that may be fetched from ({allowed})")


def _parse(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parse an http or https URL, relative to `base` if given. Raises DownloadError for anything else."""
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise DownloadError(f"{text[:200]}: not a URL ({error})") from None
    if not text or url.scheme not in ("http", "https") or not url.host or url.userinfo:
        behind = f"{base}: is redirected to " if base is not None else ""
        raise DownloadError(f"{behind}`{text[:200]}`: expected http://host/path or https://host/path, no name or password in it")
    return url


def _length(url: str, fields: dict[str, str]) -> int | None:
    """The number of remaining bytes; None for chunked encoding. Raises DownloadError if the end of the file could not be detected."""
    declared = fields.get("content-length")
    if declared is not None and declared.isdecimal():
        return int(declared)
    if "chunked" in fields.get("transfer-encoding", ""):
        return None
    raise DownloadError(f"{url}: the server does not send its length; so a truncated download could not be detected")


def _phrase(answer: httpcore.Response) -> str:
    phrase = answer.extensions.get("reason_phrase", b"").decode("latin-1")
    return f" {phrase}" if phrase else ""


def _proxy_hint() -> str:
    proxies = [
        name for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if os.environ.get(name)
    ]
    return f"; the proxy in {proxies[0]} is not used: fetch the file by other means and name it" if proxies else ""


@cache
def _tls() -> SSLContext:
    """The TLS context: certificates are verified against certifi or SSL_CERT_FILE."""
    return httpx.create_ssl_context()


def _alone(target: Path) -> AbstractContextManager[None]:
    """A lock under which one process at a time downloads `target`; the others wait and find it."""
    return locked(target.with_name(f".{target.name}.lock"), lambda file: fcntl.flock(file, fcntl.LOCK_EX))
