"""mmrec.data.ray_engine: two workers give the bytes of one process, and refuse what it refuses."""

import builtins
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmrec.data.features import Problem, extract_features
from mmrec.data.ray_engine import ray_engine
from mmrec.errors import ConfigError


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


INPUTS = [f"{'x' * (k % 17)}{k}".encode() for k in range(100)] + [None, b"bad one", b"bad one", b"7"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray about itself
def test_the_bytes_are_those_of_one_process(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    here, refused = extract_features(Lengths(), INPUTS, tmp_path / "here", 4, "text")
    try:
        there, also_refused = extract_features(Lengths(), INPUTS, tmp_path / "there", 4, "text", ray_engine(2))
    finally:
        ray.shutdown()
    assert torch.equal(here.values, there.values) and torch.equal(here.present, there.present)
    assert refused == also_refused == [Problem(101, "a bad one"), Problem(102, "a bad one")]
    one, two = (sorted(path.name for path in (tmp_path / where).rglob("*.safetensors")) for where in ("here", "there"))
    assert one == two and len(one) == 1


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] == "ray":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'mmrec\[ray\]'"):
        ray_engine(2)
