"""Opens the event store that a URL names."""

from pathlib import Path
from urllib.parse import quote

from mmrec.errors import ConfigError, MissingFile, nearest
from mmrec.files.locate import user_path
from mmrec.serving.events.event_store import EventStore
from mmrec.serving.events.postgres_store import PostgresEventStore
from mmrec.serving.events.sqlite_store import SQLiteEventStore

SCHEMES = ("sqlite", "postgresql")
MIN_KEY_BYTES = 16


def open_store(url: str, user_key: bytes | None = None) -> EventStore:
    """Open an event store, which is made where there is none.

    Args:
        url: `sqlite:///events.db` (relative to the working directory), `sqlite:////var/lib/mmrec/events.db`, or
            `postgresql://user:password@host/database`.
        user_key: where given, user ids are stored as hashes with this key, of at least 16 bytes; always the same for a store.

    Raises:
        ConfigError: where the URL is of another form, or `user_key` too short or not the one that the store was made with.
        MissingExtra: where the store needs a package that is not installed.
        MissingFile: where a folder does not exist.
        DataError: where the file is something else than a store of events.
        StorageError: where the store cannot be opened.
    """
    if user_key is not None and len(user_key) < MIN_KEY_BYTES:
        raise ConfigError(f"user_key: expected at least {MIN_KEY_BYTES} bytes, found {len(user_key)}")
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("postgresql", "postgres"):
        return PostgresEventStore(url, user_key)
    path = rest.removeprefix("/")
    if separator and scheme == "sqlite" and rest.startswith("/") and path and path != ":memory:":
        return SQLiteEventStore(Path(path), user_key)
    hint = "" if scheme in SCHEMES else f"; {nearest(scheme, SCHEMES)}"
    raise ConfigError(f"store: expected sqlite:///path or postgresql://…, found {scheme + separator + '…' if separator else url}{hint}")


def open_existing_store(url: str, user_key: bytes | None = None) -> EventStore:
    """Open an event store that is there.

    Raises:
        MissingFile: where the URL names a file that does not exist; otherwise as `open_store`.
    """
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        raise MissingFile(f"store: {path}: expected a store of events, found none")
    return open_store(url, user_key)


def with_secrets(url: str, password_file: str | None, user_key_file: str | None) -> tuple[str, bytes | None]:
    """Return the URL of a store with the password, and the key of user ids, that files have; see `with_password` and `read_user_key`."""
    url = url if password_file is None else with_password(url, user_path(password_file))
    return url, None if user_key_file is None else read_user_key(user_path(user_key_file))


def with_password(url: str, path: Path) -> str:
    """Return the URL of a PostgreSQL store with the password in a file, without the white space around it.

    Raises:
        ConfigError: where the URL is of another store or has a password already, or the file cannot be read.
        MissingFile: where there is no such file.
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if scheme not in ("postgresql", "postgres") or not user or ":" in user:
        raise ConfigError("store_password_file: expected store=postgresql://user@host/database with a user and without a password")
    password = _secret(path, "the password of the store")
    if not password:
        raise ConfigError(f"{path}: expected a file with the password of the store, found it empty")
    return f"{scheme}://{user}:{quote(password, safe='')}{at}{place}"


def read_user_key(path: Path) -> bytes:
    """Return the key in a file, without the white space around it.

    Raises:
        MissingFile: where there is no such file.
        ConfigError: where it cannot be read.
    """
    return _secret(path, "the key of user ids")


def _secret(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes().strip()
    except FileNotFoundError as error:
        raise MissingFile(f"{path}: expected a file with {what}, found none") from error
    except OSError as error:
        raise ConfigError(f"{path}: expected a file with {what}: {error.strerror}") from error
