"""Compressed files are read as what they hold; damaged ones, and those that hold too much for their size, are refused before."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from mmrec.errors import DataError
from mmrec.files import compressed
from mmrec.files.compressed import check_compressed, open_bytes


def packed(raw: bytes, suffix: str) -> bytes:
    return gzip.compress(raw) if suffix == ".gz" else pa.compress(raw, codec="zstd", asbytes=True)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_was_packed_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(packed(b"a,b\n1,2\n", suffix))
    check_compressed(path)
    assert open_bytes(path).read() == b"a,b\n1,2\n"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_too_much_for_its_size_is_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(packed(bytes(3_000_000), suffix))
    check_compressed(path)  # in all it is little
    monkeypatch.setattr(compressed, "ALWAYS_ALLOWED", 1_000)
    with pytest.raises(DataError, match="more than 200 times its size"):
        check_compressed(path)


@pytest.mark.parametrize("raw", [b"user_id\nu\n", gzip.compress(b"x" * 99, mtime=0)[:-9]], ids=["no gzip", "cut short"])
def test_damage_is_told(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.csv.gz").write_bytes(raw)
    with pytest.raises(DataError, match=r"t\.csv\.gz: expected a gzip file"):
        check_compressed(tmp_path / "t.csv.gz")
