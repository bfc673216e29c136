"""Features in a store: another machine computes nothing of what is there, and takes nothing that is damaged or half written."""

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import safetensors.torch
import torch

from mmrec.data.features import shared_cache as module
from mmrec.data.features.extract import extract_features
from mmrec.data.features.shared_cache import SharedFeatures
from mmrec.errors import StorageError
from mmrec.files.store import Store, open_store
from mmrec.types import Features

TEXTS = [b"aab", b"c", None, b"abc", b"aab", b"bb", b"?"]


class Shares:
    """The shares of a, b and c, and what was computed; `offset` is another machine whose last digits differ."""

    name, feature_dim, fingerprint = "shares", 3, "f" * 64

    def __init__(self, offset: float = 0.0) -> None:
        self.offset, self.computed = offset, []

    def prepare(self, raw: bytes) -> str:
        if raw == b"?":
            raise ValueError("a question mark")
        return raw.decode()

    def length(self, prepared: str) -> int:
        return len(prepared)

    def encode(self, prepared: list[str]) -> torch.Tensor:
        self.computed += prepared
        return torch.tensor([[text.count(letter) / len(text) + self.offset for letter in "abc"] for text in prepared])


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield open_store(str(tmp_path / "shared") if request.param == "folder" else "memory://shared", "features.store", whole=False)
    fsspec.filesystem("memory").store.clear()


def extract(store: Store, cache: Path, texts: list[bytes | None] = TEXTS, offset: float = 0.0) -> tuple[Features, list[str]]:
    """The features, and what had to be computed for them."""
    encoder = Shares(offset)
    found, problems = extract_features(encoder, texts, cache, 2, "text", store=store)
    assert [problem.position for problem in problems] == [6] * (b"?" in texts)
    return found, sorted(encoder.computed)


def contents(store: Store) -> dict[str, bytes]:
    return {name: store.read(name) for name in store.names("*/*")}


def test_another_machine_computes_nothing(store: Store, tmp_path: Path) -> None:
    alone, _ = extract_features(Shares(), TEXTS, tmp_path / "alone", 2, "text")
    first, computed = extract(store, tmp_path / "one")
    assert computed == ["aab", "abc", "bb", "c"]
    before = contents(store)
    second, computed = extract(store, tmp_path / "two", offset=1.0)
    assert computed == [] and contents(store) == before
    for found in (first, second):
        assert torch.equal(found.values, alone.values) and torch.equal(found.present, alone.present)
    for name in before:  # the cache has it all now
        store.write(name, b"")
    assert extract_features(encoder := Shares(), TEXTS, tmp_path / "two", 2, "text")[0].present.sum() == 5 and not encoder.computed


def test_what_is_there_is_as_it_is_described(store: Store, tmp_path: Path) -> None:
    extract(store, tmp_path / "cache")
    manifest, table = sorted(contents(store).items())
    said, name = json.loads(manifest[1]), table[0].removesuffix(".safetensors")
    assert manifest[0] == f"{name}.json" and name == f"{'f' * 32}/{said['sha256']}"
    assert said["bytes"] == len(table[1]) and said["keys"] == sorted(said["keys"])
    held = safetensors.torch.load(table[1])
    assert [key.tobytes().hex() for key in held["keys"].numpy()] == said["keys"] and held["values"].shape == (4, 3)


def test_only_what_the_store_lacks_is_written_whoever_has_computed_it(store: Store, tmp_path: Path) -> None:
    extract_features(Shares(), TEXTS[:2], tmp_path / "cache", 2, "text")
    _, computed = extract(store, tmp_path / "cache", TEXTS[:2])
    assert computed == [] and len(contents(store)) == 2
    _, computed = extract(store, tmp_path / "other", TEXTS)
    assert computed == ["abc", "bb"] and len(contents(store)) == 4
    assert sorted(len(json.loads(raw)["keys"]) for name, raw in contents(store).items() if name.endswith("json")) == [2, 2]


def test_equal_work_makes_equal_files(tmp_path: Path) -> None:
    stores = [open_store(str(tmp_path / name), "features.store", whole=False) for name in "ab"]
    extract(stores[0], tmp_path / "one")
    extract(stores[1], tmp_path / "two", TEXTS[::-1][1:] + TEXTS[-1:])
    assert contents(stores[0]) == contents(stores[1])


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "exchanged", "gone"])
def test_a_damaged_table_is_named_and_computed_anew(tmp_path: Path, damage: str) -> None:
    store = open_store(str(tmp_path / "shared"), "features.store", whole=False)
    good, _ = extract(store, tmp_path / "one")
    before = contents(store)
    (path,) = (tmp_path / "shared").rglob("*.safetensors")
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    other = safetensors.torch.save({"keys": torch.zeros(1, 32, dtype=torch.uint8), "values": torch.zeros(1, 3)})
    changed = {"cut": raw[:-7], "flipped": raw, "emptied": b"", "exchanged": other}
    path.unlink() if damage == "gone" else path.write_bytes(changed[damage])
    with pytest.warns(UserWarning, match=rf"features.store: .*{path.name}: damaged features left out .*computed again"):
        again, computed = extract(store, tmp_path / "two")
    assert computed == ["aab", "abc", "bb", "c"] and torch.equal(again.values, good.values)
    assert contents(store) == before  # mended


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        b'{"format": 1}',
        b'{"format": 2, "sha256": "x", "keys": []}',
        b'{"format": 1, "sha256": 5}',
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, manifest: bytes) -> None:
    store = open_store(str(tmp_path / "shared"), "features.store", whole=False)
    extract(store, tmp_path / "one")
    before = contents(store)
    (path,) = (tmp_path / "shared").rglob("*.json")
    path.write_bytes(manifest)
    with pytest.warns(UserWarning, match=f"{path.name}: damaged features left out"):
        _, computed = extract(store, tmp_path / "two")
    assert len(computed) == 4 and contents(store) == before


@pytest.mark.parametrize(
    "table",
    [
        {"keys": torch.zeros(1, 32, dtype=torch.uint8)},
        {"keys": torch.zeros(1, 32), "values": torch.zeros(1, 3)},
        {"keys": torch.zeros(1, 16, dtype=torch.uint8), "values": torch.zeros(1, 3)},
        {"keys": torch.zeros(2, 32, dtype=torch.uint8), "values": torch.zeros(1, 3)},
        {"keys": torch.zeros(1, 32, dtype=torch.uint8), "values": torch.zeros(1, 4)},
        {"keys": torch.zeros(1, 32, dtype=torch.uint8), "values": torch.full((1, 3), torch.nan)},
        {"keys": torch.zeros(1, 32, dtype=torch.uint8), "values": torch.tensor(0.0)},
        None,
    ],
)
def test_a_table_of_something_else_is_left_out_though_its_hash_is_right(store: Store, table: dict[str, torch.Tensor] | None) -> None:
    shared = SharedFeatures(store, "f" * 64, 3)
    raw = b"cos\nsystem\n(S'x'\ntR." if table is None else safetensors.torch.save(table)
    name = f"{'f' * 32}/{module.hashlib.sha256(raw).hexdigest()}"
    store.write(f"{name}.safetensors", raw)
    store.write(f"{name}.json", json.dumps({"format": 1, "sha256": name[33:], "bytes": 0, "keys": ["0" * 64]}).encode())
    with pytest.warns(UserWarning, match="damaged features left out"):
        assert list(shared.find({bytes(32)})) == []


def test_a_table_without_its_manifest_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path / "shared"), "features.store", whole=False)
    written, write = [], type(store).write

    def killed(self: Store, name: str, content: bytes) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(name)
        write(self, name, content)

    monkeypatch.setattr(type(store), "write", killed)
    with pytest.raises(KeyboardInterrupt):
        extract(store, tmp_path / "one")
    monkeypatch.undo()
    assert [Path(name).suffix for name in store.names("*/*")] == [".safetensors"]
    assert extract(store, tmp_path / "two")[1] == ["aab", "abc", "bb", "c"]
    assert extract(store, tmp_path / "three")[1] == []


def test_tables_are_bounded_and_only_those_with_wanted_keys_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TABLE_BYTES", 2 * module._LISTED_BYTES)
    store = open_store(str(tmp_path / "shared"), "features.store", whole=False)
    texts = [b"a" * n for n in range(1, 8)]
    extract(store, tmp_path / "one", texts)
    assert len(contents(store)) == 8
    read, asked = type(store).read, []
    monkeypatch.setattr(type(store), "read", lambda self, name: asked.append(name) or read(self, name))
    assert extract(store, tmp_path / "two", texts[:1])[1] == []
    assert len([name for name in asked if name.endswith(".safetensors")]) == 1


def test_a_store_that_takes_nothing_leaves_the_cache_full(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    store = open_store(str(tmp_path / "shared"), "features.store")
    (tmp_path / "shared" / ("f" * 32)).touch()
    with pytest.raises(StorageError, match=r"features.store: .* could not be written: "):
        extract(store, tmp_path / "cache")
    assert extract_features(encoder := Shares(), TEXTS, tmp_path / "cache", 2, "text")[0].present.sum() == 5 and not encoder.computed
