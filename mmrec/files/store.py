"""Stores of files: a folder, or any location that fsspec supports, such as a bucket.

The location is given by the configuration only. Tables contain names relative to it, which cannot refer to other places.
"""

import glob
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import quote, unquote

from fsspec import AbstractFileSystem, available_protocols
from fsspec.core import strip_protocol, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mmrec.errors import ConfigError, MissingFile, MmrecError, StorageError, nearest
from mmrec.files.locate import files_below, missing_file, user_path
from mmrec.files.safe_open import MAX_BYTES, check_inside, read_inside, refusal
from mmrec.files.storage import write_atomic

N_AT_ONCE = 16
"""The number of concurrent requests, which mostly wait."""
_BLOCK = 1024
_LOCAL = ("file", "local")
_LEAD_ELSEWHERE = ("reference", "generic")
"""Protocols under which the content of a file, or a name in a table, determines other locations to read."""
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_Answer = TypeVar("_Answer")


class Store(ABC):
    """Files below a location, named by relative paths with `/`. A store can be sent to other processes."""

    is_remote: ClassVar[bool]
    """Whether accesses have to wait for a network."""

    def __init__(self, url: str, key: str) -> None:
        """Create a store.

        Args:
            url: the location.
            key: the configuration key of the store, for messages.
        """
        self.url, self.key = url, key

    @abstractmethod
    def check(self, name: str) -> None:
        """Raise ValueError, with the reason, for a name that refers to no file of the store, or to one larger than `MAX_BYTES`.

        Raises StorageError if the store cannot be reached; so do `read`, `names` and `write`.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file. Raises ValueError if `check` does, or if the file cannot be read."""

    @abstractmethod
    def names(self, pattern: str) -> list[str]:
        """The names of files that match a glob, sorted by folders and names."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file and create missing folders; atomically if the store supports it."""


class Folder(Store):
    """A local folder. Links to outside are not followed."""

    is_remote = False

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(str(path), key)
        self.path = path

    def check(self, name: str) -> None:
        check_inside(self.path, name)

    def read(self, name: str) -> bytes:
        return read_inside(self.path, name)

    def names(self, pattern: str) -> list[str]:
        return [path.relative_to(self.path).as_posix() for path in files_below(self.path, pattern)]

    def write(self, name: str, content: bytes) -> None:
        try:
            write_atomic(self.path / name, lambda path: path.write_bytes(content))
        except OSError as error:
            raise StorageError(f"{self.key}: {self.path / name} could not be written: {error.strerror}") from error


class Bucket(Store):
    """A location accessed through fsspec. Every process opens it separately, with the credentials that the driver finds there."""

    is_remote = True

    def check(self, name: str) -> None:
        with self._asked(name) as (fs, path):
            found = fs.info(path)
        if found["type"] != "file":
            raise refusal(name, f"expected a file, found a {'folder' if found['type'] == 'directory' else found['type']}")
        if found.get("size") is None:
            raise refusal(name, "the store does not report its size")
        if found["size"] > MAX_BYTES:
            raise refusal(name, f"it has {found['size']:,} bytes, more than {MAX_BYTES // 2**20} MB")

    def read(self, name: str) -> bytes:
        with self._asked(name) as (fs, path), fs.open(path, "rb") as file:
            content: bytes = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise refusal(name, f"it is larger than {MAX_BYTES // 2**20} MB")
        return content

    def names(self, pattern: str) -> list[str]:
        with self._asked() as (fs, root):
            fs.invalidate_cache()
            listed = fs.glob(f"{glob.escape(root)}/{pattern}", detail=True)
        names = [path.removeprefix(f"{root}/") for path, about in listed.items() if about["type"] == "file" and path.startswith(root)]
        return sorted(map(unquote, names) if _is_http(fs) else names, key=lambda name: name.split("/"))

    def write(self, name: str, content: bytes) -> None:
        try:
            with self._asked(name) as (fs, path):
                try:
                    fs.pipe_file(path, content)
                except FileNotFoundError:
                    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                    fs.pipe_file(path, content)
        except (ValueError, NotImplementedError) as error:
            raise StorageError(f"{self.key}: {self.url} takes no files: {_said(error)}") from error

    def require(self, whole: bool) -> None:
        """Raise MissingFile if the location (if not `whole`, only its bucket) does not exist, StorageError if it cannot be reached."""
        fs, root = _opened(self.url, self.key)
        has_buckets = not root.startswith("/") and not _is_http(fs)  # HTTP servers need not list folders
        try:
            with self._asked() as (fs, root):
                fs.info(root.partition("/")[0] if has_buckets and not whole else root)
        except ValueError:
            if has_buckets or (whole and not _is_http(fs)):
                raise MissingFile(f"{self.key}: there is no `{self.url}`, or no permission to read it") from None

    @contextmanager
    def _asked(self, name: str = "") -> Iterator[tuple[AbstractFileSystem, str]]:
        """The file system and the path of a file. Its errors become ValueError, if they concern the file, or else StorageError."""
        fs, root = _opened(self.url, self.key)
        if name:
            _check_name(name)
            root = f"{root}/{quote(name) if _is_http(fs) else name}"
        try:
            yield fs, root
        except (MmrecError, ValueError, NotImplementedError):
            raise
        except Exception as error:
            if reason := _reason(_cause(error)):
                raise refusal(name, reason) from error
            raise StorageError(f"{self.key}: {self.url} does not answer as expected: {_said(_cause(error))}") from error


def open_store(url: str, key: str, whole: bool = True) -> Store:
    """Open the store at `url`.

    Args:
        url: the path of a folder, or a URL of any protocol that fsspec supports, without a password: drivers find credentials in their own
            configuration, and fsspec in ~/.config/fsspec.
        key: the configuration key of the store, for messages.
        whole: whether the location must exist; otherwise only its bucket.

    Raises:
        ConfigError: the protocol is unknown, its driver is not installed, or it refers to other locations; or the URL contains a password.
        MissingFile: the folder or bucket does not exist.
        StorageError: the store cannot be reached.
    """
    if _PASSWORD.search(url):
        raise ConfigError(f"{key}: expected an address without a password, which runs would keep; put it into ~/.config/fsspec/conf.json")
    protocols = [part.partition("://")[0] for part in url.split("::")] if "://" in url else ["file"]
    for protocol in protocols:
        if protocol not in available_protocols():
            raise ConfigError(f"{key}: there is no protocol `{protocol}` (of `{url}`); {nearest(protocol, available_protocols())}")
        if protocol in _LEAD_ELSEWHERE:
            raise ConfigError(f"{key}: `{protocol}` is not allowed, since its files refer to other locations")
    if len(protocols) == 1 and protocols[0] in _LOCAL:
        path = user_path(strip_protocol(url) if "://" in url else url)
        if not path.is_dir() and (whole or path.exists()):
            raise MissingFile(f"{key}: {path} is not a folder" if path.exists() else f"{key}: {missing_file(path)}")
        return Folder(path, key)
    store = Bucket(url, key)
    store.require(whole)
    return store


def open_pictures(folder: Path, url: str | None) -> Store:
    """Open the store with the pictures of a dataset: `folder`, or `url` if given. Raises as `open_store` does."""
    return Folder(folder, "data.path") if url is None else open_store(url, "data.pictures")


def ask_all(ask: Callable[[int], _Answer], n: int, has_to_wait: bool) -> Iterator[_Answer]:
    """Yield `ask(0)`, …, `ask(n - 1)` in order, with several threads if the answers have to be waited for."""
    if not has_to_wait:
        yield from map(ask, range(n))
        return
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        for start in range(0, n, _BLOCK):
            yield from pool.map(ask, range(start, min(start + _BLOCK, n)))


def _opened(url: str, key: str) -> tuple[AbstractFileSystem, str]:
    """The file system and the path in it, shared by all threads if it is thread-safe. Raises as `open_store` does."""
    try:
        fs, root = _shared(url, os.getpid())
        return (fs, root) if fs.async_impl else (url_to_fs(url)[0], root)
    except ImportError as error:
        raise ConfigError(f"{key}: what reads `{url}` is not installed: {_said(error)}") from None
    except FileNotFoundError as error:
        raise MissingFile(f"{key}: `{url}` is not there: {_said(error)}") from None
    except MmrecError:
        raise
    except Exception as error:
        raise StorageError(f"{key}: `{url}` cannot be opened: {_said(error)}") from error


@cache
def _shared(url: str, process: int) -> tuple[AbstractFileSystem, str]:
    fs, root = url_to_fs(url)
    if isinstance(_beneath(fs), LocalFileSystem):
        raise ConfigError(f"`{url}` is a folder of this machine: name it as one, without `{url.partition('::')[0]}::`")
    return fs, root.rstrip("/")


def _beneath(fs: AbstractFileSystem) -> AbstractFileSystem:
    """The innermost file system, below caches and other wrappers."""
    inner = getattr(fs, "fs", None)
    return _beneath(inner) if isinstance(inner, AbstractFileSystem) else fs


def _is_http(fs: AbstractFileSystem) -> bool:
    return "http" in _beneath(fs).protocol


def _check_name(name: str) -> None:
    """Raise ValueError for a name that could refer to something outside the store."""
    if not all(letter >= " " and letter != "\x7f" for letter in name):
        raise refusal(name, "file names must not contain control characters")
    if name.startswith(("/", "\\")) or "://" in name or "::" in name or ".." in re.split(r"[/\\]", name):
        raise refusal(name, "lies outside of the store; names are relative to it and stay inside")


def _cause(error: Exception) -> Exception:
    """The error itself, or the one it hides: over HTTP, an unreachable server is reported as a missing file."""
    inner = error.__cause__
    is_hidden = isinstance(inner, TimeoutError) or type(inner).__module__.startswith("aiohttp")
    return inner if isinstance(error, FileNotFoundError) and isinstance(inner, Exception) and is_hidden else error


def _reason(error: Exception) -> str:
    """The reason why a file cannot be read; empty if the error does not concern the file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError):  # the last one: a file where a folder is expected
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "expected a file, found a folder"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    status = getattr(error, "status", None)
    return f"the server answers {status}" if isinstance(status, int) and 400 <= status < 500 else ""


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
