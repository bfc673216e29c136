"""KGAT's layout: whole numbers by line, the given parts, lists of names; and what each mistake in it says."""

from pathlib import Path

import pytest

from mmrec.data.interactions.split import given
from mmrec.data.sources.kgat import read_kgat
from mmrec.errors import DataError, MissingFile

FILES = {
    "train": "0 0 1 2\n1 1\n\n2 \n",
    "test": "0 3\n1 0 02 \r\n",
    "kg_final": "0 0 4\n1 1 4\n3 0 5\n",
    "item_list": "org_id remap_id freebase_id\nB00A 0 m.0a\nB00B 1 m.0b\n123 2 m.0c\nB00D 3 m.0d\nB00E 6 m.0e\n",
    "user_list": "org_id remap_id\nA1 0\nA2 1\nA3 2\n",
    "relation_list": "org_id remap_id\nhttp://freebase.com/book.author 0\nbook.genre 1\n",
}


def write(folder: Path, **changed: str | None) -> Path:
    """The folder with the files above; `train=…` replaces train.txt, None leaves it out."""
    for name, content in (FILES | changed).items():
        if content is not None:
            (folder / f"{name}.txt").write_text(content)
    return folder


def test_all_files(tmp_path: Path) -> None:
    dataset = read_kgat(str(write(tmp_path)))
    assert dataset.interactions.columns == ["user_id", "item_id", "split"]
    train, test = [("0", "0"), ("0", "1"), ("0", "2"), ("1", "1")], [("0", "3"), ("1", "0"), ("1", "2")]
    assert dataset.interactions.rows() == [(*row, "train") for row in train] + [(*row, "test") for row in test]
    assert dataset.triples is not None
    assert dataset.triples.rows() == [
        ("0", "http://freebase.com/book.author", "4"), ("1", "book.genre", "4"), ("3", "http://freebase.com/book.author", "5"),
    ]  # fmt: skip
    assert dataset.items.columns == ["item_id", "original_id", "freebase_id"]
    assert dataset.items.row(2) == ("2", "123", "m.0c") and dataset.items["item_id"].to_list() == ["0", "1", "2", "3", "6"]
    assert dataset.users is not None and dataset.users.rows() == [("0", "A1"), ("1", "A2"), ("2", "A3")]
    assert (dataset.name, dataset.text_columns, dataset.item_entities) == (tmp_path.name, (), None)
    assert dataset.notes == ("the entities of 2 of 5 items occur in no triple",)


def test_the_parts_are_those_of_the_files(tmp_path: Path) -> None:
    dataset = read_kgat(str(write(tmp_path, valid="2 0\n")))
    split = given(dataset.interactions, valid_ratio=0.1, seed=0)
    assert [part.rows() for part in (split.valid, split.test)] == [[("2", "0")], [("0", "3"), ("1", "0"), ("1", "2")]]
    without = given(read_kgat(str(write(tmp_path, valid="2\n"))).interactions, valid_ratio=0.25, seed=0)
    assert (len(without.train), len(without.valid), len(without.test)) == (3, 1, 3)


def test_train_and_test_are_enough(tmp_path: Path) -> None:
    rest = dict.fromkeys(["kg_final", "item_list", "user_list", "relation_list"])
    dataset = read_kgat(str(write(tmp_path, **rest)))
    assert (dataset.triples, dataset.users, dataset.notes) == (None, None, ())
    assert dataset.items.rows() == [("0",), ("1",), ("2",), ("3",)]
    assert read_kgat(str(write(tmp_path, test="0 3\n"))).content_hash != dataset.content_hash


def test_numbers_that_a_name_is_stuck_to(tmp_path: Path) -> None:
    items = "org_id remap_id freebase_id\n1kKzKaE5 01kKzKaE5\n1 1\nYQehHZot 2YQehHZot\n0p405x2T 30p405x2T\n"
    dataset = read_kgat(str(write(tmp_path, item_list=items)))
    assert dataset.items.select("item_id", "original_id").rows() == [("0", "1kKzKaE5"), ("1", "1"), ("2", "YQehHZot"), ("3", "0p405x2T")]


def test_relations_without_a_name_keep_their_number(tmp_path: Path) -> None:
    dataset = read_kgat(str(write(tmp_path, relation_list="org_id remap_id\nbook.author 0\n")))
    assert dataset.triples is not None and dataset.triples["relation"].to_list() == ["book.author", "1", "book.author"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"train": "0 1\n0 x1 2\n"}, r"train\.txt:2: expected whole numbers, found `x1` \[no-number\]"),
        ({"train": "\n\nu0 1\n"}, r"train\.txt:3: expected whole numbers, found `u0`"),
        ({"test": "0 -1\n"}, r"test\.txt:1: expected whole numbers, found `-1`"),
        ({"test": "\n"}, r"test\.txt: expected lines of whole numbers, the file is empty"),
        ({"kg_final": "0 0 4\n1 4\n"}, r"kg_final\.txt:2: expected head, relation and tail, found 2 numbers \[no-triple\]"),
        ({"kg_final": "0 0 4 1\n"}, r"kg_final\.txt:1: .* found 4 numbers"),
        ({"kg_final": "8 0 9\n"}, r"kg_final\.txt: expected entities of items as heads or tails"),
        ({"item_list": "org_id remap_id\na 0\nb 0\n"}, r"item_list\.txt:3:item_id: expected each item_id once"),
        ({"item_list": "org_id remap_id\na 0\nb b\n"}, r"item_list\.txt:3:item_id: expected a whole number, found `` \[no-number\]"),
        ({"user_list": "org_id remap_id\n0 a\n"}, r"user_list\.txt:2:user_id: expected a whole number, found `a` \[no-number\]"),
        ({"item_list": "id remap_id\na 0\n"}, r"item_list\.txt: expected a column `org_id`"),
        (
            {"relation_list": "org_id remap_id\na 0\na 1\n"},
            r"relation_list\.txt:3:original_id: expected each original_id once, `a` is already",
        ),
    ],
)
def test_wrong_content(tmp_path: Path, changed: dict[str, str | None], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_kgat(str(write(tmp_path, **changed)))


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        read_kgat(str(write(tmp_path, train="0 a b\n1 c\n", kg_final="x 0 4\n1 4\n", user_list="org_id remap_id\nA1 0\nA1 0\n")))
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]
    starts = [line.split(": ")[0] for line in lines[:-1]]
    assert starts == ["train.txt:1", "train.txt:1", "train.txt:2", "user_list.txt:3:user_id", "kg_final.txt:1", "kg_final.txt:2"]
    assert lines[-1].startswith("6 problems: 3 no-number in")


def test_many_problems_are_counted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"500 problems: 250 no-number .* 250 no-triple in .*; the first 100 are above"):
        read_kgat(str(write(tmp_path, train="0 x\n" * 250, kg_final="0 1\n" * 250, relation_list=None)))


@pytest.mark.parametrize("name", ["train", "test"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingFile, match=rf"{name}\.txt does not exist"):
        read_kgat(str(write(tmp_path, **{name: None})))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (write(tmp_path) / "train.txt").write_bytes(b"0 1\n\xff\xfe\x00 2\n")
    with pytest.raises(DataError, match=r"train\.txt:2: expected whole numbers"):
        read_kgat(str(tmp_path))
