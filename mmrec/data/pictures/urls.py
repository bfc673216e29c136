"""Download pictures named by URL into the cache, once each, and read them from there like other files.

    <cache>/pictures/<sha256 of the URL>     the downloaded bytes; decoding drops any other content
    <cache>/pictures/manifest.jsonl          one line per picture: URL, SHA-256 of the bytes, number of bytes

A downloaded picture is kept even if the content at the URL changes. Features are cached under the hash of its bytes.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import overload

import httpx
import polars as pl

from mmrec.data.pictures.read import read_pictures
from mmrec.errors import DownloadError
from mmrec.files.download import NoAnswer, download
from mmrec.files.progress import progress
from mmrec.files.storage import sha256_file
from mmrec.types import ITEM_ID, Dataset, Hosts, UnusableInput

MAX_BYTES = 20 * 2**20
N_AT_ONCE = 8
N_SILENT = 8
"""The number of consecutive failures after which a host is not asked again in this run."""
_FOLDER = "pictures"
_URL = r"^(?i)https?://"
TIMEOUT_S, TOTAL_S = 10.0, 60.0


def read_all_pictures(
    dataset: Dataset, item_ids: Sequence[str] | pl.Series, cache: Path
) -> tuple[Sequence[bytes | None], list[UnusableInput]]:
    """Read pictures as `mmrec.data.pictures.read.read_pictures` does, after downloading those named by URL from allowed hosts."""
    column = dataset.image_column
    named = pl.Series([], dtype=pl.String) if column is None else dataset.items[column].cast(pl.String)
    is_url = named.str.contains(_URL)
    if column is None or not is_url.any():
        return read_pictures(dataset, item_ids)
    urls = dict(dataset.items.select(ITEM_ID, pl.when(is_url).then(named)).drop_nulls().iter_rows())
    asked = [urls.get(item_id) for item_id in item_ids]
    found = fetch_pictures((url for url in asked if url is not None), cache, dataset.hosts)
    problems = [UnusableInput(position, found[url][1]) for position, url in enumerate(asked) if url is not None and found[url][1]]
    fetched = pl.Series(named.name, [path and path.name for path, _ in (found.get(url, (None, "")) for url in named)], pl.String)
    by_path = replace(dataset, items=dataset.items.with_columns(pl.when(~is_url).then(named).alias(column)))
    by_url = replace(dataset, root=cache / _FOLDER, pictures=None, items=dataset.items.with_columns(fetched))
    (here, missing), (there, gone) = read_pictures(by_path, item_ids), read_pictures(by_url, item_ids)
    return _Either(here, there), sorted(missing + gone + problems, key=lambda problem: problem.position)


def named_by_url(items: pl.DataFrame, image_column: str) -> pl.Series:
    """Whether each item's picture is a URL."""
    return items[image_column].cast(pl.String).str.contains(_URL).fill_null(False)


def fetch_pictures(urls: Iterable[str], cache: Path, hosts: Hosts) -> dict[str, tuple[Path | None, str]]:
    """Download pictures; failed downloads are tried again by the next call.

    Args:
        urls: http or https.
        cache: the folder of all caches.
        hosts: the hosts from which pictures may be downloaded.

    Returns:
        By URL, the file with the bytes and an empty text, or None and the reason of the failure.
    """
    fetcher = _Fetcher(cache / _FOLDER, hosts)
    found: dict[str, tuple[Path | None, str]] = {url: (fetcher.path(url), "") for url in dict.fromkeys(urls)}
    todo = [url for url, (path, _) in found.items() if path is not None and not path.is_file()]
    pool = ThreadPoolExecutor(N_AT_ONCE)
    try:
        tasks = {pool.submit(fetcher.fetch, url): url for url in todo}
        for task in progress(as_completed(tasks), "pictures", len(tasks)):
            if reason := task.result():
                found[tasks[task]] = (None, reason)
    finally:
        pool.shutdown(cancel_futures=True)
    return found


class _Either(Sequence[bytes | None]):
    """The first of two sequences where it has a value, else the second."""

    def __init__(self, one: Sequence[bytes | None], other: Sequence[bytes | None]) -> None:
        self.one, self.other = one, other

    def __len__(self) -> int:
        return len(self.one)

    @overload
    def __getitem__(self, position: int) -> bytes | None: ...

    @overload
    def __getitem__(self, position: slice) -> "_Either": ...

    def __getitem__(self, position: int | slice) -> "bytes | _Either | None":
        if isinstance(position, slice):
            return _Either(self.one[position], self.other[position])
        raw = self.one[position]
        return self.other[position] if raw is None else raw


class _Fetcher:
    """Downloads pictures, one at a time in each thread, and counts consecutive failures of each host."""

    def __init__(self, folder: Path, hosts: Hosts) -> None:
        self.folder, self.hosts = folder, hosts
        self.silent: Counter[str] = Counter()
        self._lock = threading.Lock()

    def path(self, url: str) -> Path:
        """The file of a URL's picture, whether it exists or not."""
        return self.folder / hashlib.sha256(url.encode()).hexdigest()

    def fetch(self, url: str) -> str:
        """Download a picture; return the reason if that fails, else an empty text."""
        host = _host(url)
        if not self.hosts.names:
            return f"{url}: pictures are fetched only from hosts that you name: data.allow_hosts=[{host}]"
        if self.silent[host] >= N_SILENT:
            return f"{url}: {host} did not answer {N_SILENT} times in a row and was not asked again"
        path = self.path(url)
        try:
            download(url, path, hosts=self.hosts, show=False, max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S, total_s=TOTAL_S)
        except DownloadError as error:
            with self._lock:
                self.silent[host] = self.silent[host] + 1 if isinstance(error, NoAnswer) else 0
            return str(error)
        entry = {"url": url, "sha256": sha256_file(path), "n_bytes": path.stat().st_size}
        with self._lock:
            self.silent[host] = 0
            with open(self.folder / "manifest.jsonl", "a", encoding="utf-8") as manifest:
                manifest.write(json.dumps(entry) + "\n")
        return ""


def _host(url: str) -> str:
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return ""
