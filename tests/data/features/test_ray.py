"""mmrec.data.features.ray: two workers give the bytes of one process, refuse what it refuses, and read stores by themselves."""

import builtins
import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.features.extract import extract_features
from mmrec.data.features.ray import ray_engine
from mmrec.data.pictures.read import read_pictures
from mmrec.errors import MissingExtra, StorageError
from mmrec.files.store import open_store
from mmrec.types import Dataset, UnusableInput


class Lengths:
    """Rows that depend, in the last digits, on the longest of their batch, as those of real encoders do."""

    name, feature_dim, fingerprint = "lengths", 3, "e" * 64

    def prepare(self, raw: bytes) -> bytes:
        if raw.startswith(b"bad"):
            raise ValueError("a bad one")
        return raw

    def length(self, prepared: bytes) -> int:
        return len(prepared)

    def encode(self, prepared: list) -> Tensor:
        longest = max(map(len, prepared))
        return torch.tensor([[len(raw), raw[0], longest / 3] for raw in prepared], dtype=torch.float32)


class Idle(Lengths):
    """The same, which computes nothing."""

    def encode(self, prepared: list) -> Tensor:
        raise AssertionError("everything is in the store")


class Failing(Sequence):
    """Inputs that can be read here and by no other process."""

    def __init__(self, inputs: list[bytes]) -> None:
        self.inputs, self.is_here = inputs, True

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, position: int) -> bytes:
        if not self.is_here:
            raise StorageError("data.pictures: the bucket is gone")
        return self.inputs[position]

    def __reduce__(self) -> tuple:
        return _failing, (self.inputs,)


def _failing(inputs: list[bytes]) -> Failing:
    found = Failing(inputs)
    found.is_here = False
    return found


def pictures(root: Path) -> Sequence[bytes | None]:
    """What a dataset names in an archive."""
    with zipfile.ZipFile(root / "pictures.zip", "w") as archive:
        for n in range(100):
            archive.writestr(f"p/{n}.jpg", b"bad" if n == 50 else b"x" * (n % 17) + str(n).encode())
    items = pl.DataFrame({"item_id": [str(n) for n in range(100)], "image": [f"{n}.jpg" for n in range(100)]})
    found, problems = read_pictures(
        Dataset("shop", root, pl.DataFrame(), items, (), "image", pictures=f"zip://p::file://{root}/pictures.zip"), items["item_id"]
    )
    assert problems == []
    return found


INPUTS = [f"{'x' * (k % 17)}{k}".encode() for k in range(100)] + [None, b"bad one", b"bad one", b"7"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray about itself
def test_the_bytes_are_those_of_one_process(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    here, refused = extract_features(Lengths(), INPUTS, tmp_path / "here", 4, "text")
    packed = pictures(tmp_path)
    alone, unread = extract_features(Lengths(), packed, tmp_path / "packed", 4, "image")
    shared = open_store(str(tmp_path / "shared"), "features.store", whole=False)
    try:
        there, also_refused = extract_features(Lengths(), INPUTS, tmp_path / "there", 4, "text", ray_engine(2))
        together, also_unread = extract_features(Lengths(), packed, tmp_path / "packed there", 4, "image", ray_engine(2), shared)
        with pytest.raises(StorageError, match=r"data.pictures: the bucket is gone"):
            extract_features(Lengths(), Failing([b"1", b"2"]), tmp_path / "failed", 4, "image", ray_engine(2))
    finally:
        ray.shutdown()
    assert torch.equal(alone.values, together.values) and alone.present.sum() == 99 and len(unread) == 1 and unread == also_unread
    again, _ = extract_features(Idle(), packed, tmp_path / "elsewhere", 4, "image", store=shared)
    assert torch.equal(again.values, together.values)
    assert torch.equal(here.values, there.values) and torch.equal(here.present, there.present)
    assert refused == also_refused == [UnusableInput(101, "a bad one"), UnusableInput(102, "a bad one")]
    one, two = (sorted(path.name for path in (tmp_path / where).rglob("*.safetensors")) for where in ("here", "there"))
    assert one == two and len(one) == 1


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] == "ray":
            raise ModuleNotFoundError(name, name=name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'mmrec\[ray\]'"):
        ray_engine(2)
