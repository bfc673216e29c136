"""Stores: a folder, memory, an archive and a web server give the same; hostile names stay inside; what cannot be reached is one message."""

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from mmrec.errors import ConfigError, MissingFile, StorageError
from mmrec.files import safe_open as inside
from mmrec.files import store
from mmrec.files.store import Bucket, Folder, Store, ask_all, open_store

FILES = {"a.jpg": b"A", "deep/b c.jpg": b"B", "50% #1?.jpg": b"C", "[x].png": b"D", "empty.jpg": b"", "notes.txt": b"N"}
HOSTILE = [
    "../secret.jpg",
    "deep/../../secret.jpg",
    "..\\secret.jpg",
    "deep\\..\\..\\secret.jpg",
    "..",
    "/secret.jpg",
    "\\secret.jpg",
    "/etc/passwd",
    "memory://secret.jpg",
    "file:///etc/passwd",
    "s3://bucket/secret.jpg",
    "simplecache::memory://secret.jpg",
    "a\0.jpg",
    "a\r\nDELE x",
    "%2e%2e/secret.jpg",
    "..%2fsecret.jpg",
    "~/secret.jpg",
    "x" * 5000,
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder `shop/pics` with the files, and a secret above it."""
    for name, content in FILES.items():
        path = tmp_path / "shop/pics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "shop/secret.jpg").write_bytes(b"S")
    return tmp_path


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, lists it, and knows nothing of ranges."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(root: Path) -> Iterator[str]:
    """The address of a server of that folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def memory(root: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """The same files in memory."""
    fs = fsspec.filesystem("memory")
    for path in root.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"/{path.relative_to(root).as_posix()}", path.read_bytes())
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture(params=["path", "file", "local", "memory", "simplecache", "zip", "http"])
def shop(request: pytest.FixtureRequest, root: Path, memory: object, web: str) -> Store:
    """The pictures in a store of each kind."""
    with zipfile.ZipFile(root / "all.zip", "w") as archive:
        for path in (root / "shop").rglob("*"):
            archive.write(path, path.relative_to(root))
    urls = {
        "path": str(root / "shop/pics"),
        "file": f"file://{root}/shop/pics/",
        "local": f"local://{root}/shop/pics",
        "memory": "memory://shop/pics",
        "simplecache": "simplecache::memory://shop/pics/",
        "zip": f"zip://shop/pics::file://{root}/all.zip",
        "http": f"{web}/shop/pics/",
    }
    return open_store(urls[request.param], "data.pictures")


def test_files_are_read_whatever_they_are_called(shop: Store) -> None:
    for name, content in FILES.items():
        shop.check(name)
        assert shop.read(name) == content
    assert isinstance(shop, Bucket) == shop.is_remote == ("://" in shop.url)


def test_files_are_listed_by_globs(shop: Store) -> None:
    assert shop.names("*.jpg") == ["50% #1?.jpg", "a.jpg", "empty.jpg"]
    assert shop.names("deep/*.jpg") == ["deep/b c.jpg"] and shop.names("none/*.jpg") == []
    assert shop.names("**/*.jpg")[:1] == ["50% #1?.jpg"] and "deep/b c.jpg" in shop.names("**/*.jpg")


@pytest.mark.parametrize("name", [*HOSTILE, "gone.jpg", "deep/gone.jpg", "a.jpg/x"])
def test_no_name_leaves_the_store(shop: Store, name: str) -> None:
    for ask in (shop.check, shop.read):
        with pytest.raises(
            ValueError, match=r"lies outside|there is no such file|control characters|contain NUL|name is too long|40[04]|414"
        ):
            ask(name)


def test_a_folder_is_no_file(shop: Store) -> None:
    if not shop.url.startswith("http"):  # where a folder is the page that lists it
        with pytest.raises(ValueError, match=r"deep: .*found a folder"):
            shop.check("deep")


def test_size_is_looked_at_before_anything_is_read(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (inside, store):
        monkeypatch.setattr(module, "MAX_BYTES", 0)
    for ask in (shop.check, shop.read):
        with pytest.raises(ValueError, match=r"a.jpg: it (has 1 bytes, more|is larger) than 0 MB"):
            ask("a.jpg")


def test_links_are_not_followed_out_of_a_folder(root: Path) -> None:
    (root / "shop/pics/link.jpg").symlink_to(root / "shop/secret.jpg")
    for url in (str(root / "shop/pics"), f"file://{root}/shop/pics", f"local://{root}/shop/pics"):
        with pytest.raises(ValueError, match="lies outside"):
            open_store(url, "data.pictures").read("link.jpg")
    for cached in ("simplecache", "filecache"):
        with pytest.raises(ConfigError, match=f"is a folder of this machine: name it as one, without `{cached}::`"):
            open_store(f"{cached}::file://{root}/shop/pics", "data.pictures")


@pytest.mark.parametrize("url", ["{root}/new/deep", "file://{root}/new", "memory://new/deep"])
def test_what_is_written_is_read_back(url: str, root: Path, memory: object) -> None:
    target = open_store(url.format(root=root), "features.store", whole=False)
    assert target.names("*/*") == []
    for content in (b"one", b"two"):
        target.write("f/x.json", content)
        assert target.read("f/x.json") == content and target.names("*/*.json") == ["f/x.json"]


def test_a_store_that_takes_nothing_says_so(web: str) -> None:
    with pytest.raises(StorageError, match=r"features.store: http://.* (takes no files|does not answer as expected)"):
        open_store(f"{web}/shop", "features.store", whole=False).write("x", b"x")


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("memry://x", ConfigError, r"data.pictures: there is no protocol `memry` \(of `memry://x`\); did you mean `memory`"),
        ("simplecash::memory://x", ConfigError, r"data.pictures: there is no protocol `simplecash`.*; did you mean `simplecache`"),
        ("reference://x", ConfigError, r"data.pictures: `reference` is not allowed"),
        ("ftp://me:secret@host/x", ConfigError, r"data.pictures: expected an address without a password"),
        ("{root}/shop/picz", MissingFile, r"data.pictures: .*picz does not exist; did you mean `pics`"),
        ("file://{root}/shop/picz", MissingFile, r"data.pictures: .*picz does not exist; did you mean `pics`"),
        ("{root}/shop/secret.jpg", MissingFile, r"data.pictures: .*secret.jpg is not a folder"),
        ("memory://picz", MissingFile, r"data.pictures: there is no `memory://picz`"),
        ("zip://a::file://{root}/none.zip", MissingFile, r"data.pictures: `zip://a::file:.*none.zip` is not there"),
        ("zip://a::file://{root}/shop/secret.jpg", StorageError, r"data.pictures: .* cannot be opened: File is not a zip file"),
        ("http://127.0.0.1:9/x", StorageError, r"data.pictures: http://127.0.0.1:9/x does not answer as expected: "),
    ],
)
def test_what_cannot_be_opened_is_one_message_with_its_key(url: str, error: type, said: str, root: Path, memory: object) -> None:
    with pytest.raises(error, match=said) as refused:
        open_store(url.format(root=root), "data.pictures")
    assert "\n" not in str(refused.value) and "secret@" not in str(refused.value)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(store, "url_to_fs", without)
    with pytest.raises(ConfigError, match=r"features.store: what reads `s3://b/x` is not installed: Install s3fs to access S3"):
        open_store("s3://b/x", "features.store")


def test_a_server_that_falls_silent_is_no_missing_file(web: str) -> None:
    shop = open_store(f"{web}/shop/pics", "data.pictures")
    dead = Bucket("http://127.0.0.1:9/x", "data.pictures")
    for ask in (dead.check, dead.read):
        with pytest.raises(StorageError, match="does not answer as expected"):
            ask("a.jpg")
    with pytest.raises(ValueError, match=r"there is no such file|404"):
        shop.check("gone.jpg")


def test_home_is_understood() -> None:
    assert isinstance(open_store("~", "features.store"), Folder)


@pytest.mark.parametrize("has_to_wait", [False, True])
def test_answers_come_in_order_and_the_first_error_ends_it(has_to_wait: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_BLOCK", 7)
    assert list(ask_all(lambda n: n * n, 100, has_to_wait)) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(ask_all(lambda n: 1 // (n - 30), 100, has_to_wait))
