"""API keys: made by the operator, stored as hashes in a file, compared in constant time."""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, final

from mmrec.errors import ConfigError, DataError, MissingFile, StorageError, nearest

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
"""`read`: lists and searches; `write`: events and items; `admin`: models, and the removal of users. Each is given by itself."""
PREFIX = "mmrec_"
_LOOK_AGAIN_S = 2.0


class ApiKey(NamedTuple):
    """A key as the file has it."""

    name: str
    """Whose it is; not secret."""
    scopes: frozenset[str]
    sha256: str


def make_key(path: Path, name: str, scopes: Sequence[str]) -> str:
    """Make a key and add its hash to a file, which is made where there is none.

    Args:
        path: the file; only its owner may read it.
        name: whose key it is, different for each.
        scopes: of `SCOPES`.

    Returns:
        The key. It is stored nowhere.

    Raises:
        ConfigError: where a scope does not exist, or the name is empty or taken.
        DataError: where the file is no file of keys.
        StorageError: where it cannot be written.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise ConfigError(f"scopes: expected some of {', '.join(SCOPES)}, found `{scope}`; {nearest(scope, SCOPES)}")
    if not scopes or not name.strip() or not name.isprintable():
        raise ConfigError(f"expected a name and at least one scope, found name `{name}` and scopes {list(scopes)}")
    if path.exists() and any(one.name == name for one in read_keys(path)):
        raise ConfigError(f"name: `{name}` has a key in {path} already; choose another name, or delete the line to revoke the key")
    key = PREFIX + secrets.token_urlsafe(32)
    line = json.dumps({"name": name, "scopes": sorted(set(scopes)), "sha256": _hash(key)}) + "\n"
    try:
        if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            line = "\n" + line  # an editor left the last line open
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    return key


def read_keys(path: Path) -> list[ApiKey]:
    """Read a file of keys.

    Raises:
        MissingFile: where there is no such file.
        DataError: where a line is not of a key; names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile(f"{path}: expected a file of API keys, found none; make one with `mmrec key`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a file of API keys, which can be read: {error}") from error
    return [_read_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _read_line(path: Path, number: int, line: str) -> ApiKey:
    try:
        found = json.loads(line)
        name, scopes, digest = found["name"], found["scopes"], found["sha256"]
        is_sound = isinstance(name, str) and isinstance(scopes, list) and isinstance(digest, str) and len(bytes.fromhex(digest)) == 32
        if is_sound and set(scopes) <= set(SCOPES):
            return ApiKey(name, frozenset(scopes), digest)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise DataError(f'{path}:{number}: expected {{"name": …, "scopes": [some of {", ".join(SCOPES)}], "sha256": …}}, found another line')


@final
class ApiKeys:
    """The keys of a file. It is read again after it changed, so that a key can be revoked while the service runs.

    Args:
        path: the file.
        clock: seconds that never go back.

    Raises:
        MissingFile, DataError: see `read_keys`. A file that is damaged later leaves no key valid until it is repaired.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._looked_at, self._stamp = clock(), _stamp(path)
        self._keys = read_keys(path)

    def find(self, key: str) -> ApiKey | None:
        """Return the entry of a key, or None. All entries are compared, each in constant time."""
        self._look_again()
        wanted, found = _hash(key), None
        for one in self._keys:
            if hmac.compare_digest(wanted, one.sha256):
                found = one
        return found

    def _look_again(self) -> None:
        if self._clock() - self._looked_at < _LOOK_AGAIN_S:
            return
        self._looked_at, stamp = self._clock(), _stamp(self._path)
        if stamp != self._stamp:
            try:
                self._keys = read_keys(self._path)
            except (MissingFile, DataError):
                self._keys = []
            self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _hash(key: str) -> str:
    """A key has 256 random bits, so that one round of SHA-256 suffices."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
