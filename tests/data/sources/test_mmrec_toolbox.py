"""The layout of the toolbox enoche/MMRec: given parts, features by row, what things were called; and what each mistake in it says."""

from pathlib import Path

import numpy as np
import pytest

from mmrec.data.interactions.split import given
from mmrec.data.sources.mmrec_toolbox import read_mmrec_toolbox
from mmrec.errors import DataError, MissingFile
from mmrec.types import Dataset

HEAD = "userID\titemID\trating\ttimestamp\tx_label\n"
INTER = HEAD + "0\t0\t5.0\t1400000000\t0\n0\t1\t4.0\t1400000001\t1\n1\t3\t1.0\t1400000002\t2\n1\t0\t2.0\t1400000003\t0\n"
ITEMS = "asin\titemID\n0000031852\t0\nB00A\t1\nB00B\t2\nB00C\t3\n"
USERS = "user_id\tuserID\nA3PM\t0\nA1SN\t1\n"


def write(folder: Path, inter: str = INTER, text: object = None, image: object = None) -> Path:
    """`baby.inter`, and what features are given."""
    (folder / "baby.inter").write_text(inter)
    for name, values in (("text_feat", text), ("image_feat", image)):
        if values is not None:
            np.save(folder / f"{name}.npy", np.asarray(values), allow_pickle=True)
    return folder


def read(folder: Path) -> Dataset:
    return read_mmrec_toolbox(str(folder), "baby")


def test_all_files(tmp_path: Path) -> None:
    text = np.arange(8.0).reshape(4, 2) - 2
    image = np.array([[1, 2, 3], [0, 0, 0], [4, 5, 6], [0, 0, 1]], dtype=np.float32)
    write(tmp_path, text=text, image=image)
    (tmp_path / "i_id_mapping.csv").write_text(ITEMS)
    (tmp_path / "u_id_mapping.csv").write_text(USERS)
    dataset = read(tmp_path)
    assert dataset.name == "baby"
    assert dataset.interactions.columns == ["user_id", "item_id", "timestamp", "rating", "split"]
    assert dataset.interactions.rows()[1:3] == [("0", "1", 1400000001, 4.0, "valid"), ("1", "3", 1400000002, 1.0, "test")]
    assert dataset.items.rows() == [("0", "0000031852"), ("1", "B00A"), ("2", "B00B"), ("3", "B00C")]
    assert dataset.items.columns == ["item_id", "original_id"]
    assert dataset.users is not None and dataset.users.rows() == [("0", "A3PM"), ("1", "A1SN")]
    assert set(dataset.vectors) == {"text", "image"}
    found = dataset.vectors["text"]
    assert (found.item_ids.to_list(), found.values.dtype, found.source) == (["0", "1", "2", "3"], np.float32, "text_feat.npy")
    assert (found.values == text).all()
    assert dataset.vectors["image"].item_ids.to_list() == ["0", "2", "3"]
    assert (dataset.vectors["image"].values == image[[0, 2, 3]]).all()
    assert dataset.notes == ("image_feat.npy: 1 of 4 rows are all zeros: their items count as without",)
    assert dataset.text_columns == ()


def test_the_parts_are_those_of_the_label(tmp_path: Path) -> None:
    split = given(read(write(tmp_path)).interactions, valid_ratio=0.5, seed=0)
    parts = [part.select("user_id", "item_id").rows() for part in (split.train, split.valid, split.test)]
    assert parts == [[("0", "0"), ("1", "0")], [("0", "1")], [("1", "3")]]


def test_mappings_with_commas(tmp_path: Path) -> None:
    (write(tmp_path) / "i_id_mapping.csv").write_text(ITEMS.replace("\t", ","))
    assert read(tmp_path).items["original_id"].to_list() == ["0000031852", "B00A", "B00B", "B00C"]


def test_interactions_alone(tmp_path: Path) -> None:
    (tmp_path / f"{tmp_path.name}.inter").write_text("userID\titemID\tx_label\nu\t07\t0\n")
    dataset = read_mmrec_toolbox(str(tmp_path), None)
    assert dataset.interactions.rows() == [("u", "7", "train")]
    assert (dataset.items.rows(), dataset.users, dataset.vectors, dataset.notes) == ([("7",)], None, {}, ())


def test_every_row_of_features_is_an_item(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, image=np.ones((6, 2))))
    assert dataset.items["item_id"].to_list() == ["0", "1", "2", "3", "4", "5"]


def test_the_hash_follows_the_features(tmp_path: Path) -> None:
    one, two = (read(write(tmp_path, text=np.full((4, 1), value))).content_hash for value in (1.0, 2.0))
    assert one != two


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"inter": HEAD + "0\t0\t5\t1\t3\n"}, r"baby\.inter:2:x_label: expected 0, 1 or 2, found `3` \[no-part\]"),
        ({"inter": HEAD + "0\t0\t5\t1\n"}, r"baby\.inter:2:x_label: expected 0, 1 or 2, found ``"),
        ({"inter": HEAD + "0\tB00A\t5\t1\t0\n"}, r"baby\.inter:2:item_id: expected a whole number from 0, found `B00A` \[no-number\]"),
        ({"inter": HEAD + "0\t0\tgood\t1\t0\n"}, r"baby\.inter:2:rating: expected a number, found `good`"),
        ({"inter": "userID\titemID\n0\t0\n"}, r"baby\.inter: expected a column `x_label`"),
        ({"inter": HEAD}, r"baby\.inter: expected at least one row below the header"),
        ({"image": np.ones((3, 2))}, r"image_feat\.npy: expected a row for each item from `0` to `3`, found 3 rows \[missing-row\]"),
        ({"text": [[1], [2], [np.nan], [3]]}, r"text_feat\.npy:row 3: expected finite numbers for the item `2` \[no-number\]"),
        ({"text": np.full((4, 1), 1e300)}, r"text_feat\.npy:row 1: expected finite numbers .*\n4 problems"),
        ({"text": np.ones(4)}, r"text_feat\.npy: expected rows of numbers, .* found an array of shape \(4,\)"),
        ({"text": [["a"]] * 4}, r"text_feat\.npy: expected numbers, the array holds <U1"),
        ({"text": np.array([[{}]] * 4, dtype=object)}, r"text_feat\.npy: expected numbers, it holds Python objects"),
    ],
)
def test_wrong_content(tmp_path: Path, changed: dict, expected: str) -> None:
    with pytest.raises(DataError, match=expected.replace("\\n", "(.|\n)*")):
        read(write(tmp_path, **changed))


@pytest.mark.parametrize("content", [b"", b"not numpy", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_arrays(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "text_feat.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"text_feat\.npy: not a NumPy file, or a damaged one: "):
        read(tmp_path)


def test_cut_off_and_packed_arrays(tmp_path: Path) -> None:
    path = write(tmp_path, text=np.ones((4, 100))) / "text_feat.npy"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"text_feat\.npy: 4 rows of 100 numbers, as its header says, take 3,200 bytes; it has 3,191"):
        read(tmp_path)
    with open(path, "wb") as file:
        np.savez(file, a=np.ones((4, 1)))
    with pytest.raises(DataError, match=r"text_feat\.npy: not a NumPy file, or a damaged one: "):
        read(tmp_path)


def test_wrong_mappings(tmp_path: Path) -> None:
    (write(tmp_path) / "i_id_mapping.csv").write_text("asin,item\nB00A,0\n")
    with pytest.raises(DataError, match=r"i_id_mapping\.csv: expected a column `itemID`, found `asin`, `item`; did you mean `item`"):
        read(tmp_path)
    (tmp_path / "i_id_mapping.csv").write_text("itemID\n0\n")
    with pytest.raises(DataError, match=r"i_id_mapping\.csv: expected a column `original_id`, found `itemID`"):
        read(tmp_path)
    (tmp_path / "i_id_mapping.csv").write_text("asin\titemID\nB00A\t0\nB00B\t0\n")
    with pytest.raises(DataError, match=r"i_id_mapping\.csv:3:item_id: expected each item_id once, `0` is already at"):
        read(tmp_path)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, inter=HEAD + "0\t0\t5\t1\t7\n0\tx\t5\t1\t0\n0\t9\t5\t1\t0\n", text=[[1.0], [np.inf]])
    with pytest.raises(DataError) as raised:
        read(tmp_path)
    starts = [line.removeprefix(f"{tmp_path}/").split(": ")[0] for line in str(raised.value).splitlines()[:-1]]
    assert starts == ["baby.inter:3:item_id", "baby.inter:2:x_label", "text_feat.npy:row 2", "text_feat.npy"]


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"babe\.inter does not exist; did you mean `baby\.inter`"):
        read_mmrec_toolbox(str(write(tmp_path)), "babe")
