"""Features made elsewhere: every format, every lie in a header, and rows that cannot be used."""

import json
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from mmrec.data.features.align import align_vectors
from mmrec.data.folder.read import read_folder
from mmrec.data.interactions.index import Index
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError, MissingFile, MmrecError
from mmrec.row_count import RowCount
from mmrec.types import Dataset

VALUES = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
IDS = ["a", "c", "b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Items a to d; of d no file has a vector."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "interactions.csv").write_text("user_id,item_id\nu,a\nu,b\n")
    (tmp_path / "shop" / "items.csv").write_text("item_id\na\nb\nc\nd\n")
    return tmp_path / "shop"


def read(folder: Path, *, on_error: str = "stop", columns: dict[str, str] | None = None, **features: str) -> Dataset:
    return read_folder(str(folder), on_error=on_error, quarantine=str(folder.parent / "quarantine"), columns=columns, features=features)


def write_ids(folder: Path, ids: list[str] = IDS, name: str = "audio_ids.csv") -> None:
    (folder / name).write_text("\n".join(([] if name.endswith(".txt") else ["item_id"]) + ids) + "\n")


def npy(folder: Path, values: object = VALUES, dtype: str = "float32", ids: list[str] = IDS) -> Path:
    np.save(folder / "audio.npy", np.array(values, dtype=dtype))
    write_ids(folder, ids)
    return folder


def tensors(folder: Path, **named: torch.Tensor) -> Path:
    save_file(named, folder / "audio.safetensors")
    write_ids(folder)
    return folder


def parquet(folder: Path, **columns: object) -> Path:
    pl.DataFrame({"item_id": IDS} | columns).write_parquet(folder / "audio.parquet")
    return folder


def check(dataset: Dataset, file: str) -> None:
    vectors = dataset.vectors["audio"]
    assert vectors.item_ids.to_list() == IDS
    assert vectors.values.dtype == np.float32
    assert vectors.values.tolist() == VALUES
    assert vectors.source == file


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8", "int8", "uint16", "int64"])
def test_npy_of_every_type(folder: Path, dtype: str) -> None:
    check(read(npy(folder, dtype=dtype), audio="audio.npy"), "audio.npy")


def test_npy_by_columns_and_of_the_second_version(folder: Path) -> None:
    npy(folder)
    with open(folder / "audio.npy", "wb") as file:
        np.lib.format.write_array(file, np.asfortranarray(np.array(VALUES)), version=(2, 0))
    check(read(folder, audio="audio.npy"), "audio.npy")


@pytest.mark.parametrize("name", ["audio_ids.csv", "audio_ids.tsv", "audio_ids.txt"])
def test_lists_of_ids(folder: Path, name: str) -> None:
    npy(folder)
    (folder / "audio_ids.csv").unlink()
    write_ids(folder, name=name)
    check(read(folder, audio="audio.npy"), "audio.npy")


def test_a_list_of_ids_in_parquet_that_are_numbers_called_otherwise(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,sku\nu,7\nu,12\n")
    (folder / "items.csv").unlink()
    np.save(folder / "audio.npy", np.array(VALUES[:2]))
    pl.DataFrame({"sku": [12, 7]}).write_parquet(folder / "audio_ids.parquet")
    found = read(folder, columns={"item_id": "sku"}, audio="audio.npy").vectors["audio"]
    assert dict(zip(found.item_ids, found.values.tolist(), strict=True)) == {"12": [1.0, 2.0], "7": [3.0, 4.0]}


def test_a_list_of_ids_with_blank_lines_in_another_encoding(folder: Path) -> None:
    ids = ["Élodie Böhm, née Müller, à l'été où naquît l'âme", "a", "b"]
    (folder / "items.jsonl").write_text("\n".join(json.dumps({"item_id": one}) for one in ids))
    (folder / "items.csv").unlink()
    npy(folder)
    (folder / "audio_ids.csv").unlink()
    (folder / "audio_ids.txt").write_bytes("\r\n\r\n".join(ids).encode("cp1252"))
    assert read(folder, audio="audio.npy").vectors["audio"].item_ids.to_list() == ids


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
def test_safetensors(folder: Path, dtype: torch.dtype) -> None:
    check(read(tensors(folder, values=torch.tensor(VALUES).to(dtype)), audio="audio.safetensors"), "audio.safetensors")


@pytest.mark.parametrize(
    "columns",
    [
        {"v": VALUES},
        {"v": pl.Series(VALUES, dtype=pl.Array(pl.Float64, 2))},
        {"v": pl.Series([[1, 2], [3, 4], [5, 6]])},
        {"x": [1.0, 3.0, 5.0], "y": [2, 4, 6]},
    ],
)
def test_parquet(folder: Path, columns: dict) -> None:
    check(read(parquet(folder, **columns), audio="audio.parquet"), "audio.parquet")


@pytest.mark.parametrize("columns", [{"v": [[1.0, 2.0], None, [5.0, 6.0]]}, {"x": [1.0, None, 5.0], "y": [2.0, None, 6.0]}])
def test_null_is_no_vector_and_no_problem(folder: Path, columns: dict) -> None:
    vectors = read(parquet(folder, **columns), audio="audio.parquet").vectors["audio"]
    assert vectors.item_ids.to_list() == ["a", "b"]
    assert vectors.values.tolist() == [[1.0, 2.0], [5.0, 6.0]]


def test_several_modalities_and_the_hash_of_their_files(folder: Path) -> None:
    (folder / "clips").mkdir()
    parquet(npy(folder), v=[[1.0], [2.0], [3.0]])
    (folder / "audio.parquet").rename(folder / "clips" / "video.parquet")
    both = {"audio": "audio.npy", "video": "clips/video.parquet"}
    dataset = read(folder, **both)
    assert list(dataset.vectors) == ["audio", "video"]
    assert dataset.vectors["video"].values.tolist() == [[1.0], [2.0], [3.0]]
    hashes = {dataset.content_hash, read(folder).content_hash, read(folder, audio="audio.npy").content_hash}
    write_ids(folder, ["b", "c", "a"])
    hashes.add(read(folder, **both).content_hash)
    np.save(folder / "audio.npy", np.array(VALUES[::-1]))
    hashes.add(read(folder, **both).content_hash)
    assert len(hashes) == 5


def test_alignment_masks_and_imputes_nothing(folder: Path) -> None:
    dataset = read(npy(folder), audio="audio.npy")
    index = Index.build(dataset, seed=1)
    found = align_vectors(dataset.vectors["audio"], index)
    at = {item: int(position) for item, position in zip("abcd", index.item_idx(list("abcd")), strict=True)}
    assert {item: found.values[position].tolist() for item, position in at.items()} == {
        "a": [1.0, 2.0],
        "b": [5.0, 6.0],
        "c": [3.0, 4.0],
        "d": [0.0, 0.0],
    }
    assert [item for item, position in at.items() if found.present[position]] == ["a", "b", "c"]
    assert found.encoder == "precomputed, audio.npy"


BAD = {
    "repeated": (["a", "c", "a"], VALUES, r"audio_ids.csv:4:item_id: expected each item_id once, `a` is already at .*audio_ids.csv:2 "),
    "unknown": (
        ["a", "item-c", "b"],
        VALUES,
        r"audio_ids.csv:3:item_id: expected an item that .* name, found `item-c`; .*\[unknown-item\]",
    ),
    "nan": (
        IDS,
        [[1, 2], [3, np.nan], [5, 6]],
        r"audio_ids.csv:3:item_id: expected 2 numbers that float32 can hold in row 2 of audio.npy, found `nan` \[no-vector\]",
    ),
    "infinite": (IDS, [[1, 2], [3, 4], [-np.inf, 6]], "in row 3 of audio.npy, found `-inf`"),
    "too large": (IDS, [[1e300, 2], [3, 4], [5, 6]], r"in row 1 of audio.npy, found `1e\+300`"),
}


@pytest.mark.parametrize(("ids", "values", "expected"), BAD.values(), ids=BAD)
def test_rows_that_cannot_be_used(folder: Path, ids: list[str], values: list, expected: str) -> None:
    npy(folder, values, "float64", ids)
    with pytest.raises(DataProblems, match=expected):
        read(folder, audio="audio.npy")
    dataset = read(folder, on_error="quarantine", audio="audio.npy")
    assert len(dataset.vectors["audio"].item_ids) == len(dataset.vectors["audio"].values) == 2
    kept = dict(zip(dataset.vectors["audio"].item_ids, dataset.vectors["audio"].values.tolist(), strict=True))
    assert all(kept[item] == [float(value) for value in values[ids.index(item)]] for item in kept)
    assert RowCount("features.audio", 3, 1) in dataset.counts
    (lines,) = (folder.parent / "quarantine").rglob("features.audio.jsonl")
    assert "audio_ids.csv:" in json.loads(lines.read_text())["place"]


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    npy(folder, [[1, 2], [np.nan, 4], [5, 6], [7, 8]], ids=["a", "b", "zz", "a"])
    parquet(folder, v=[[1.0, 2.0], [3.0], [4.0, 5.0]])
    with pytest.raises(DataProblems) as caught:
        read(folder, audio="audio.npy", video="audio.parquet")
    assert [(one.code, Path(one.place).name) for one in caught.value.problems.shown] == [
        ("repeated-id", "audio_ids.csv:5:item_id"),
        ("unknown-item", "audio_ids.csv:4:item_id"),
        ("no-vector", "audio_ids.csv:3:item_id"),
        ("no-vector", "audio.parquet:row 2:item_id"),
    ]
    assert caught.value.problems.shown[-1].reason == "expected 2 numbers that float32 can hold in row 2 of audio.parquet, found 1"


@pytest.mark.parametrize(
    ("columns", "found"),
    [({"v": [[1.0, 2.0], [3.0, None], [5.0, 6.0]]}, "`None`"), ({"x": [1.0, 2.0, 3.0], "y": [1.0, None, 3.0]}, "`None`")],
)
def test_null_among_numbers_is_a_problem(folder: Path, columns: dict, found: str) -> None:
    with pytest.raises(DataProblems, match=f"audio.parquet:row 2:item_id: expected 2 numbers .*, found {found}"):
        read(parquet(folder, **columns), audio="audio.parquet")


@pytest.mark.parametrize("ids", [["a", "b"], ["a", "b", "c", "d"]])
def test_ids_that_are_not_as_many_as_rows(folder: Path, ids: list[str]) -> None:
    npy(folder, ids=ids)
    expected = f"audio_ids.csv: expected 3 ids that can be read, one for each row of audio.npy, found {len(ids)} "
    with pytest.raises(DataProblems, match=expected):
        read(folder, audio="audio.npy")
    dataset = read(folder, on_error="quarantine", audio="audio.npy")
    assert len(dataset.vectors["audio"].item_ids) == 0
    assert RowCount("features.audio", len(ids), len(ids)) in dataset.counts


def test_a_list_with_a_broken_line_tells_of_no_row(folder: Path) -> None:
    npy(folder, ids=["a", "b,c,d", "c", "b"])  # three that can be read: whose rows would they be?
    assert len(read(folder, on_error="quarantine", audio="audio.npy").vectors["audio"].values) == 0


def header(text: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = text.encode()
    return b"\x93NUMPY" + version + len(raw).to_bytes(2 if version[0] == 1 else 4, "little") + raw + body


def described(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


LIES = {
    "rows": (header(described("'<f4'", "(1000000000000, 2)"), b"0" * 24), "1,000,000,000,000 rows of 2 numbers, .* it has 24"),
    "short": (header(described("'<f4'", "(3, 2)"), b"0" * 23), "3 rows of 2 numbers, as its header says, take 24 bytes; it has 23"),
    "long": (header(described("'<f4'", "(3, 2)"), b"0" * 25), "take 24 bytes; it has 25"),
    "overflow": (header(described("'<f4'", f"({2**63}, {2**63})"), b"0" * 24), "it has 24"),
    "negative": (header(described("'<f4'", "(-3, -2)"), b"0" * 24), r"found an array of shape \(-3, -2\)"),
    "flat": (header(described("'<f4'", "(6,)"), b"0" * 24), r"expected rows of numbers, .* found an array of shape \(6,\)"),
    "no rows": (header(described("'<f4'", "(0, 2)")), r"found an array of shape \(0, 2\)"),
    "objects": (header(described("'|O'", "(3, 2)"), b"cos\nsystem\n"), "it holds Python objects, which may run code"),
    "structs": (header(described("[('x', '<f4'), ('y', '|O')]", "(3, 2)")), "it holds Python objects"),
    "text": (header(described("'<U4'", "(3, 2)")), "expected numbers, the array holds <U4"),
    "code": (header("__import__('os').system('true')\n"), "not a NumPy file, or a damaged one"),
    "nested": (header("(" * 9000 + "\n"), "not a NumPy file, or a damaged one"),
    "long header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "not a NumPy file, or a damaged one"),
    "version": (header(described("'<f4'", "(3, 2)"), b"0" * 24, b"\x07\x00"), "not a NumPy file, or a damaged one"),
    "zip": (b"PK\x03\x04", "not a NumPy file, or a damaged one"),
    "nothing": (b"", "not a NumPy file, or a damaged one"),
}


@pytest.mark.parametrize(("content", "expected"), LIES.values(), ids=LIES)
def test_npy_whose_header_lies(folder: Path, content: bytes, expected: str) -> None:
    npy(folder)
    (folder / "audio.npy").write_bytes(content)
    with pytest.raises(DataError, match=f"audio.npy: .*{expected}"):
        read(folder, audio="audio.npy")


def st(described: dict, body: bytes = b"", length: int | None = None) -> bytes:
    raw = json.dumps(described).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


@pytest.mark.parametrize(
    "content",
    [
        st({"values": {"dtype": "F32", "shape": [10**12, 2], "data_offsets": [0, 8 * 10**12]}}),
        st({"values": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}, b"0" * 23),
        st({"values": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}, b"0" * 25),
        st({"values": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 24]}}, b"0" * 24),
        st({}, length=2**60),
        b"",
    ],
)
def test_safetensors_whose_header_lies(folder: Path, content: bytes) -> None:
    (folder / "audio.safetensors").write_bytes(content)
    write_ids(folder)
    with pytest.raises(DataError, match=r"audio.safetensors: not a safetensors file, or a damaged one: "):
        read(folder, audio="audio.safetensors")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"vectors": torch.tensor(VALUES)}, "expected a tensor called `values`, found vectors"),
        ({}, "expected a tensor called `values`, found none"),
        ({"values": torch.zeros(3)}, r"found an array of shape \(3,\)"),
        ({"values": torch.zeros(3, 2, dtype=torch.bool)}, "expected numbers, `values` holds torch.bool"),
    ],
)
def test_other_tensors(folder: Path, named: dict[str, torch.Tensor], expected: str) -> None:
    with pytest.raises(DataError, match=f"audio.safetensors: .*{expected}"):
        read(tensors(folder, **named), audio="audio.safetensors")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, "one column of lists of numbers, or numbers alone, found none"),
        ({"v": ["x", "y", "z"]}, r"found `v` \(String\)"),
        ({"v": VALUES, "w": VALUES}, r"found `v` \(List"),
        ({"v": [["x"], ["y"], ["z"]]}, r"found `v` \(List"),
        ({"v": pl.Series([[], [], []], dtype=pl.List(pl.Float32))}, r"found an array of shape \(3, 0\)"),
        ({"v": pl.Series([None] * 3, dtype=pl.List(pl.Float32))}, r"found an array of shape \(3, 0\)"),
    ],
)
def test_other_columns(folder: Path, columns: dict, expected: str) -> None:
    with pytest.raises(DataError, match=f"audio.parquet: expected .*{expected}"):
        read(parquet(folder, **columns), audio="audio.parquet")


def test_damaged_parquet(folder: Path) -> None:
    raw = (parquet(folder, v=VALUES) / "audio.parquet").read_bytes()
    (folder / "audio.parquet").write_bytes(raw[:4] + b"\xff" * 200 + raw[204:])
    with pytest.raises(DataError, match=r"audio.parquet: not a Parquet file, or a damaged one"):
        read(folder, audio="audio.parquet")


@pytest.mark.parametrize("name", ["Audio", "a b", "../x", "collaborative", "kg", "others", ""])
def test_names_that_no_modality_can_have(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.features\..*: expected a name of small letters"):
        read(npy(folder), **{name: "audio.npy"})


@pytest.mark.parametrize("where", ["../audio.npy", "clips/../../audio.npy", "{parent}/audio.npy", "link.npy", "linked/audio.npy"])
def test_files_outside_of_the_folder(folder: Path, where: str) -> None:
    npy(folder.parent)
    (folder / "clips").mkdir()
    (folder / "link.npy").symlink_to(folder.parent / "audio.npy")
    (folder / "linked").symlink_to(folder.parent)
    with pytest.raises(ConfigError, match=r"data.features.audio: .* lies outside of the dataset's folder"):
        read(folder, audio=where.format(parent=folder.parent))


@pytest.mark.parametrize(("name", "text"), [("audio_ids.csv", "a link that leads out"), ("audio_ids.txt", "leads out of the")])
def test_a_list_of_ids_outside_of_the_folder(folder: Path, name: str, text: str) -> None:
    npy(folder)
    (folder / "audio_ids.csv").rename(folder.parent / "ids.csv")
    (folder / name).symlink_to(folder.parent / "ids.csv")
    with pytest.raises(MmrecError, match=text):
        read(folder, audio="audio.npy")


def test_files_that_are_not_there(folder: Path) -> None:
    npy(folder)
    with pytest.raises(MissingFile, match=r"did you mean `audio.npy`"):
        read(folder, audio="adio.npy")
    with pytest.raises(ConfigError, match=r"expected a file that ends in .npy, .safetensors, .parquet, found `audio.pt`"):
        read(folder, audio="audio.pt")
    write_ids(folder, name="audio_ids.txt")
    with pytest.raises(DataError, match=r"expected one list of ids, found audio_ids.csv and audio_ids.txt"):
        read(folder, audio="audio.npy")
    for name in ("audio_ids.txt", "audio_ids.csv"):
        (folder / name).unlink()
    with pytest.raises(DataError, match=r"audio.npy: expected the items of its rows in audio_ids.csv beside it \(a header `item_id`"):
        read(folder, audio="audio.npy")
