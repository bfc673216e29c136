"""A dataset folder: what is read, what is noted, and what each mistake in it says."""

import json
from pathlib import Path

import pytest

from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.row_count import RowCount
from mmrec.types import Dataset

FILES = {
    "interactions.csv": "user_id,item_id,timestamp,event\nu1,a,2024-01-01,buy\nu1,b,2024-01-02,view\nu2,c,2024-01-03,buy\n",
    "items.csv": "item_id,brand,title,price,image\nb,Acme,Blue shoe,10,images/b.jpg\na,Bolt,Red shoe,12,\n",
    "triples.csv": "head,relation,tail\nea,made_by,Bolt\neb,made_by,Acme\n",
    "item_entities.csv": "item_id,entity\na,ea\nb,eb\nc,ec\n",
    "users.csv": "user_id,age\nu1,30\nu3,40\n",
}


def write(folder: Path, **changed: str | None) -> Path:
    """The folder with the files above; `items=…` replaces items.csv, None leaves it out."""
    for name, content in FILES.items():
        content = changed.get(name.split(".")[0], content)
        if content is not None:
            (folder / name).write_text(content)
    return folder


def read(folder: Path, columns: dict[str, str] | None = None, texts: list[str] | None = None, image: str | None = None) -> Dataset:
    return read_folder(str(folder), columns=columns, text_columns=texts, image_column=image)


def test_whole_folder(tmp_path: Path) -> None:
    dataset = read(write(tmp_path))
    assert dataset.name == tmp_path.name
    assert dataset.root == tmp_path
    assert dataset.interactions.rows() == [
        ("u1", "a", 1704067200, "buy"),
        ("u1", "b", 1704153600, "view"),
        ("u2", "c", 1704240000, "buy"),
    ]
    assert dataset.items["item_id"].to_list() == ["b", "a", "c"]
    assert dataset.items.row(2) == ("c", None, None, None, None)
    assert dataset.text_columns == ("title", "brand")
    assert dataset.image_column == "image"
    assert dataset.triples is not None
    assert len(dataset.triples) == 2
    assert dataset.item_entities is not None
    assert len(dataset.item_entities) == 3
    assert dataset.users is not None
    assert dataset.users.rows() == [("u1", 30), ("u3", 40)]
    assert dataset.notes == (
        "1 of 3 items only occur in the interactions and have no further information",
        "the entities of 1 of 3 items occur in no triple",
    )


def test_what_is_known_of_interactions_is_read_checked_and_set_aside(tmp_path: Path) -> None:
    rows = "user_id,item_id,rating,event,label,position\nu1,a,4,view,1,0\nu1,b,,buy,,\nu2,c,5,view,7,1\nu2,a,5,view,0,x\n"
    write(tmp_path, interactions=rows, item_entities=None, triples=None)
    with pytest.raises(DataError, match=r"2 problems: 1 no-label .* 1 no-whole-number"):
        read(tmp_path)
    dataset = read_folder(str(tmp_path), on_error="quarantine", quarantine=str(tmp_path / "aside"))
    assert dataset.interactions.rows() == [("u1", "a", 4.0, "view", 1, 0), ("u1", "b", None, "buy", None, None)]
    assert RowCount("interactions", 4, n_quarantined=2) in dataset.counts


def test_interactions_alone_are_enough(tmp_path: Path) -> None:
    (tmp_path / "interactions.tsv").write_text("user_id\titem_id\n1\t007\n1\t7\n")
    dataset = read(tmp_path)
    assert dataset.items.rows() == [("007",), ("7",)]
    assert (dataset.text_columns, dataset.image_column, dataset.triples) == ((), None, None)
    assert [note.partition(" differ")[0] for note in dataset.notes] == ["item_id: `007` and `7`"]


def test_items_as_entities_under_their_own_id(tmp_path: Path) -> None:
    triples = "head,relation,tail\na,made_by,Bolt\nc,like,a\n"
    dataset = read(write(tmp_path, item_entities=None, triples=triples))
    assert dataset.item_entities is None
    assert dataset.notes[1:] == ("the entities of 1 of 3 items occur in no triple",)


def test_given_parts(tmp_path: Path) -> None:
    folder = write(tmp_path, interactions="user_id,item_id,fold\nu1,a,train\nu1,b,test\nu2,c,\n")
    assert read(folder, {"split": "fold"}).interactions["split"].to_list() == ["train", "test", None]
    assert "split" not in read(folder).interactions.columns


def test_triples_may_have_times(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, triples="head,relation,tail,timestamp\nea,made_by,Bolt,\neb,made_by,Acme,1970-01-02\n"))
    assert dataset.triples is not None
    assert dataset.triples["timestamp"].to_list() == [None, 86400]


def test_a_broken_triple_can_be_set_aside(tmp_path: Path) -> None:
    folder = write(tmp_path, triples=None)
    (folder / "triples.nt").write_text('<x:ea> <x:by> "Bolt" .\nea by Bolt\n')
    (folder / "item_entities.csv").write_text("item_id,entity\na,x:ea\n")
    dataset = read_folder(str(folder), on_error="quarantine", quarantine=str(tmp_path / "aside"))
    assert dataset.triples is not None
    assert dataset.triples.rows() == [("x:ea", "x:by", "Bolt", "http://www.w3.org/2001/XMLSchema#string")]
    assert RowCount("triples", 2, 1) in dataset.counts
    (line,) = (tmp_path / "aside").rglob("triples.jsonl")
    assert json.loads(line.read_text()) == {"place": f"{folder}/triples.nt:2", "line": "ea by Bolt"}


def test_chosen_columns(tmp_path: Path) -> None:
    folder = write(tmp_path, items="sku,label,photo,year\na,Red shoe,a.jpg,1995\n")
    dataset = read(folder, {"item_id": "sku"}, ["label", "year"], "photo")
    assert dataset.text_columns == ("label", "year")
    assert dataset.items.row(0) == ("a", "Red shoe", "a.jpg", "1995")
    assert read(folder, {"item_id": "sku"}, None, "photo").text_columns == ("label",)


def test_content_hash_follows_bytes_not_the_place(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    changed = FILES["users.csv"].replace("40", "41")
    hashes = [read(folder).content_hash for folder in (write(one), write(two), write(three, users=changed))]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"items": "item_id,title\na,x\nb,y\na,z\n"},
            r"items.csv:4:item_id: expected each item_id once, `a` is already at .*items.csv:2 \[repeated-id\]",
        ),
        ({"users": "user_id\nu1\nu1\n"}, "users.csv:3:user_id: expected each user_id once"),
        ({"item_entities": "item_id,entity\na,ea\na,eb\n"}, "item_entities.csv:3:item_id: expected each item_id once"),
        (
            {"items": "item_id,title\nshoe-1,x\n", "item_entities": "item_id,entity\na,ea\nshoe_1,eb\n"},
            r"item_entities.csv:3:item_id: expected an item that .* name, found `shoe_1`; did you mean `shoe-1`\? \[unknown-item\]",
        ),
        ({"item_entities": "item_id,entity\na,x1\n"}, "triples.csv: expected entities of items as heads or tails .*, found none, not `x1`"),
        ({"item_entities": None}, "without a table item_entities, items are entities with the same id"),
        ({"item_entities": "item_id,entity\nz,ez\n", "triples": None}, "item_entities.csv:2:item_id: expected an item"),
        ({"item_entities": "item_id,entity\n"}, "item_entities.csv: expected at least one row"),
        ({"triples": "head,relation,tail\nea,made_by,\n"}, "triples.csv:2:tail: expected an id"),
        ({"triples": "head,relation,tail,timestamp\nea,made_by,x,soon\n"}, "triples.csv:2:timestamp: expected a time"),
        ({"triples": "head,relation,tale\nea,made_by,x\n"}, "triples.csv: expected a column `tail`, .*did you mean `tale`"),
        ({"interactions": "user_id,item_id\n"}, "interactions.csv: expected at least one row below the header"),
        (
            {"interactions": "user_id,item_id,split\nu1,a,train\nu1,b,val\nu2,c,\n"},
            r"interactions.csv:3:split: expected train, valid or test, found `val` \[no-part\]$",
        ),
    ],
)
def test_wrong_content(tmp_path: Path, changed: dict[str, str | None], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(write(tmp_path, **changed))


def test_missing_folder_and_missing_interactions(tmp_path: Path) -> None:
    (tmp_path / "my_shop").mkdir()
    with pytest.raises(MissingFile, match="did you mean `my_shop`"):
        read(tmp_path / "my_shp")
    (tmp_path / "my_shop" / "interaction.csv").touch()
    with pytest.raises(MissingFile, match=r"interactions.csv does not exist; did you mean `interaction.csv`"):
        read(tmp_path / "my_shop")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"columns": {"itemid": "sku"}}, "data.columns.itemid: .* did you mean `item_id`"),
        ({"texts": ["titel"]}, "data.text_columns: the items have no column `titel`; did you mean `title`"),
        ({"image": "imge"}, "data.image_column: the items have no column `imge`; did you mean `image`"),
    ],
)
def test_wrong_arguments_name_their_key(tmp_path: Path, arguments: dict, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read(write(tmp_path), **arguments)


def test_a_column_of_lists_is_named_and_is_text_only_where_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path, items=None)
    (folder / "items.jsonl").write_text('{"item_id": "a", "title": "x", "sizes": [1, 2]}\n')
    assert read(folder).text_columns == ("title",)
    assert [note for note in read(folder).notes if "`sizes` (List)" in note and "data.text_columns" in note]
    asked = read(folder, texts=["title", "sizes"])
    assert asked.items.filter(item_id="a")["sizes"].to_list() == ["1, 2"]
    assert not [note for note in asked.notes if "sizes" in note]


def test_a_kind_of_id_that_changes_is_named_with_its_line_and_like_ids_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n1,a\n02,a\nx,b\ny,B\n")
    dataset = read_folder(str(tmp_path))
    line = f"{tmp_path / 'interactions.csv'}:4:user_id: other text from here on, whole numbers before; ids stay text"
    near = "item_id: `B` and `b` differ only by case, spaces, invisible characters, leading zeros or Unicode form; they are kept apart"
    assert [note for note in dataset.notes if "user_id" in note or "differ" in note] == [line, near]


def test_rows_set_aside_need_a_folder_for_them(tmp_path: Path) -> None:
    folder = write(tmp_path, interactions="user_id,item_id,timestamp\nu1,a,2024-01-01\nu1,b,never\nu2,c,2024-01-03\n")
    with pytest.raises(ConfigError, match=r"data\.quarantine: expected a folder"):
        read_folder(str(folder), on_error="quarantine")
