"""`mmrec.yaml` in a folder: what it changes, that the command line wins, and that every mistake in it is one message with its line."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.interactions.split import given
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.types import Dataset

FILES = {
    "orders-2024-01.csv": "kunde,artikel,zeit\nanna,lamp,100\nbert,sofa,200\n",
    "orders-2024-02.csv": "kunde,artikel,zeit\nanna,sofa,300\n",
    "catalogue/things.jsonl": '{"sku": "lamp", "label": "A lamp", "photo": "lamp.png"}\n{"sku": "sofa", "label": "A sofa"}\n',
    "people.csv": "number,age\nanna,30\n",
}
SETTINGS = """\
tables:
  interactions: orders-2024-*.csv
  items: catalogue
  users: people.csv
columns:
  user_id: kunde
  item_id: artikel
  timestamp: zeit
  items: {item_id: sku}
  users: {user_id: number}
text_columns: [label]
image_column: photo
features: {audio: audio.npy}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catalogue").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    np.save(tmp_path / "audio.npy", np.eye(2, dtype=np.float32))
    (tmp_path / "audio_ids.txt").write_text("lamp\nsofa\n")
    return tmp_path


def read(folder: Path, settings: str | bytes | None = SETTINGS, **given: object) -> Dataset:
    if settings is not None:
        (folder / "mmrec.yaml").write_bytes(settings.encode() if isinstance(settings, str) else settings)
    return read_folder(str(folder), **given)


def test_tables_columns_texts_and_pictures_are_where_it_says(folder: Path) -> None:
    dataset = read(folder)
    assert dataset.interactions.rows() == [("anna", "lamp", 100), ("bert", "sofa", 200), ("anna", "sofa", 300)]
    assert dataset.items["item_id"].to_list() == ["lamp", "sofa"]
    assert (dataset.text_columns, dataset.image_column) == (("label",), "photo")
    assert dataset.users is not None and dataset.users.rows() == [("anna", 30)]
    said = "configures how this folder is read: tables, columns, text_columns, image_column, features"
    assert dataset.notes[0] == f"{folder}/mmrec.yaml {said}"


def test_its_bytes_are_part_of_the_hash(folder: Path) -> None:
    assert len({read(folder, SETTINGS + more).content_hash for more in ("", "# a note\n")}) == 2


def test_without_a_file_or_with_an_empty_one_nothing_changes(folder: Path) -> None:
    (folder / "interactions.csv").write_text("user_id,item_id\na,b\n")
    (unread,) = read(folder, None).notes
    assert unread.endswith(": audio_ids.txt, orders-2024-01.csv, orders-2024-02.csv, people.csv")
    assert read(folder, "# nothing\n").notes == (unread,)
    assert read(folder, "text_columns:\n").items.rows() == [("b",)]


def test_the_command_line_wins_key_by_key(folder: Path) -> None:
    given = {"tables": {"interactions": "orders-2024-02.csv"}, "image_column": "label", "text_columns": []}
    dataset = read(folder, **given)
    assert dataset.interactions.rows() == [("anna", "sofa", 300)]
    assert (dataset.text_columns, dataset.image_column) == ((), "label")
    swapped = read(folder, columns={"user_id": "artikel", "interactions": {"item_id": "kunde"}, "users": {"user_id": "number"}})
    assert swapped.interactions.row(0) == ("lamp", "anna", 100)


def test_a_name_on_the_command_line_for_all_tables_beats_one_of_the_file_for_one(folder: Path) -> None:
    (folder / "catalogue" / "things.jsonl").write_text('{"sku": "x", "artikel": "lamp"}\n')
    settings = "\n".join(SETTINGS.splitlines()[:10])
    assert read(folder, settings).items["item_id"].to_list() == ["x", "lamp", "sofa"]
    assert read(folder, settings, columns={"item_id": "artikel"}).items["item_id"].to_list() == ["lamp", "sofa"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("tabels: {}\n", ":1: tabels: there is no such setting; did you mean `tables`?"),
        ("tables: {interaction: x}\n", ":1: tables.interaction: expected a table that mmrec knows; did you mean `interactions`?"),
        ("tables: [x]\n", ":1: tables: expected names with a value each, found `['x']`"),
        ("tables:\n  interactions: 2024\n", ":2: tables.interactions: expected text, found `2024`; put it in quotes"),
        ("tables:\n  interactions: ../x.csv\n", ":2: tables.interactions: expected a file, a glob or a folder inside "),
        ("tables:\n  interactions: /etc/passwd\n", ":2: tables.interactions: expected a file, a glob or a folder inside "),
        ("tables:\n  interactions: .\n", ":2: tables.interactions: expected a file, a glob or a folder inside "),
        ("tables:\n  interactions: 'a**'\n", ":2: tables.interactions: `a**` is not a valid glob: "),
        ("columns:\n  item: sku\n", ":2: columns.item: expected a column that mmrec knows; did you mean `item_id`?"),
        ("columns:\n  items:\n    user_id: sku\n", ":3: columns.items.user_id: expected a column of items that mmrec knows; "),
        ("columns:\n  items: sku\n", ":2: columns.items: expected a column that mmrec knows; did you mean `item_id`?"),
        ("columns: {item_id: [a]}\n", ":1: columns.item_id: expected text, found `['a']`"),
        ("text_columns: title\n", ":1: text_columns: expected a list, found `title`"),
        ("text_columns: [1]\n", ":1: text_columns: expected text, found `1`"),
        ("a: 1\na: 2\n", ":2:1: not plain YAML: `a` is repeated"),
        ("tables:\n  items: x\n  items: y\n", ":3:3: not plain YAML: `items` is repeated"),
        ("tables: &x {}\ncolumns: *x\n", ":1:9: not plain YAML: anchors and aliases are not allowed here"),
        ("tables: !!python/name:os.system\n", ":1:9: not plain YAML: tags are not allowed here"),
        ("tables: ! x\n", ":1:9: not plain YAML: tags are not allowed here"),
        ("tables: {<<: {items: x}}\n", ":1:10: not plain YAML: expected a name"),
        ("yes: 1\n", ":1:1: not plain YAML: expected a name; put it in quotes"),
        ("? [a]\n: 1\n", ":1:3: not plain YAML: expected a name"),
        ("tables: {\n", ":2:1: not plain YAML: "),
        ("- a\n", ": expected settings as `name: value`, found `['a']`"),
        ("[" * 5_000, ": not plain YAML: maximum recursion depth exceeded"),
        (b"tables: \xff\n", ": not plain YAML: 'utf-8' codec can't decode"),
    ],
)
def test_a_mistake_is_one_message_with_its_line(folder: Path, settings: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(folder, settings)
    assert str(refused.value).startswith(f"{folder}/mmrec.yaml{said}")


def test_a_file_that_is_not_there_names_the_nearest(folder: Path) -> None:
    with pytest.raises(MissingFile, match=r"mmrec.yaml:4: tables.users: .*peple.csv does not exist; did you mean `people.csv`"):
        read(folder, SETTINGS.replace("people", "peple"))
    with pytest.raises(MissingFile, match=r"data.tables.items: .*x-\*.csv does not exist"):
        read(folder, tables={"items": "x-*.csv"})


def test_a_link_may_not_lead_out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "people.csv"
    secret.write_text(FILES["people.csv"])
    (folder / "people.csv").unlink()
    (folder / "people.csv").symlink_to(secret)
    with pytest.raises(ConfigError, match=r"mmrec.yaml:4: tables.users: expected a file, a glob or a folder inside"):
        read(folder)


def test_a_column_that_no_file_has_is_told_even_where_it_may_be_missing(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"mmrec.yaml:8: columns.timestamp: there is no column `zeiit` in interactions.*did you mean `zeit`"
    ):
        read(folder, SETTINGS.replace("zeit", "zeiit"))
    with pytest.raises(ConfigError, match=r"data.columns.rating: there is no column `stern` in interactions"):
        read(folder, columns={"rating": "stern"})
    with pytest.raises(ConfigError, match=r"mmrec.yaml:11: text_columns: the items have no column `labl`; did you mean `label`"):
        read(folder, SETTINGS.replace("[label]", "[labl]"))


def test_pictures_called_by_id(folder: Path) -> None:
    (folder / "pics" / "2024").mkdir(parents=True)
    for name in ("lamp.PNG", "lamp.png", "lamp.txt", "2024/sofa.jpg"):
        (folder / "pics" / name).touch()
    dataset = read(folder, image_column="pics/**/{item_id}.*")
    assert dataset.items.select(pl.col("item_id"), pl.col(dataset.image_column)).rows() == [
        ("lamp", "pics/lamp.PNG"),
        ("sofa", "pics/2024/sofa.jpg"),
    ]
    assert read(folder, image_column="pics/la{item_id}.png").items["image"].to_list() == [None, None]
    assert read(folder, image_column="pics/{photo}").items["image"].to_list() == ["pics/lamp.png", None]
    with pytest.raises(ConfigError, match=r"data.image_column: the items have no column `foto`; did you mean `photo`"):
        read(folder, image_column="pics/{foto}")
    for pattern in ("{item_id}/x.png", "../{item_id}.png", "/{item_id}.png", "a**/{item_id}.png", "{item_id}{item_id}.png"):
        with pytest.raises(ConfigError, match=r"data.image_column: expected a glob inside the folder with \{item_id\} once"):
            read(folder, image_column=pattern)


PARTS = {
    "train.csv": "kunde,artikel,zeit\nanna,lamp,100\nbert,sofa,200\n",
    "dev.csv": "artikel,kunde,zeit\nsofa,anna,300\n",
    "held/1.csv": "kunde,artikel,zeit\nbert,lamp,400\n",
    "held/2.csv": "kunde,artikel,zeit\nanna,bed,500\n",
}
IN_PARTS = SETTINGS.replace("interactions: orders-2024-*.csv", "interactions: {test: held, train: train.csv, valid: dev.csv}")


@pytest.fixture
def parts(folder: Path) -> Path:
    (folder / "held").mkdir()
    for name, content in PARTS.items():
        (folder / name).write_text(content)
    return folder


def test_interactions_in_parts_are_one_table_that_knows_them(parts: Path) -> None:
    dataset = read(parts, IN_PARTS)
    assert dataset.interactions.rows() == [
        ("anna", "lamp", 100, "train"),
        ("bert", "sofa", 200, "train"),
        ("anna", "sofa", 300, "valid"),
        ("bert", "lamp", 400, "test"),
        ("anna", "bed", 500, "test"),
    ]
    assert str(dataset.counts[0]).startswith("interactions: 5 rows in = 5 kept")
    assert dataset.notes[1] == "the interactions are given in parts (train, valid, test): split=given keeps to them"
    split = given(dataset.interactions, valid_ratio=0.1, seed=0)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [2, 1, 2] and "split" not in split.train.columns
    assert read(parts, tables={"interactions": {"train": "train.csv", "test": "held/1.csv"}}).interactions["split"].to_list() == [
        *("train", "train", "test")
    ]
    assert read(parts, tables={"interactions": "train.csv"}).interactions.columns == ["user_id", "item_id", "timestamp"]


def test_what_is_wrong_in_a_part_is_named_by_its_file_and_line(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (parts / "dev.csv").write_text("artikel,kunde,zeit\nsofa,anna,300\nlamp,bert,soon\n")
    (parts / "held/2.csv").write_text("kunde,artikel,zeit\n,bed,500\nanna,bed,500,7\n")
    with pytest.raises(DataProblems) as refused:
        read(parts, IN_PARTS)
    places = sorted(one.place.removeprefix(f"{parts}/") for one in refused.value.problems.shown)
    assert places == ["dev.csv:3:zeit", "held/2.csv:2:kunde", "held/2.csv:3"]
    aside = tmp_path_factory.mktemp("aside")
    dataset = read(parts, IN_PARTS, on_error="quarantine", quarantine=str(aside))
    assert dataset.interactions["split"].to_list() == ["train", "train", "valid", "test"]
    (lines,) = aside.rglob("interactions.jsonl")
    assert len(lines.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{test", "{tset", ":2: tables.interactions.tset: expected a part; did you mean `test`?"),
        ("test: held", "test: 7", ":2: tables.interactions.test: expected text, found `7`"),
        ("test: held", "test: ../held", ":2: tables.interactions.test: expected a file, a glob or a folder inside "),
        ("items: catalogue", "items: {train: catalogue}", ":3: tables.items: expected text, found `{'train': 'catalogue'}`"),
        ("timestamp: zeit", "split: zeit", ":8: columns.split: the parts are already given by files ("),
    ],
)
def test_a_mistake_in_parts_is_one_message_with_its_line(parts: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(parts, IN_PARTS.replace(old, new))
    assert str(refused.value).startswith(f"{parts}/mmrec.yaml{said}")


def test_parts_that_are_not_there_or_do_not_fit(parts: Path) -> None:
    with pytest.raises(MissingFile, match=r"mmrec.yaml:2: tables.interactions.valid: .*dve.csv does not exist; did you mean `dev.csv`"):
        read(parts, IN_PARTS.replace("dev.csv", "dve.csv"))
    (parts / "dev.csv").write_text("kunde,artikel,stern\nanna,lamp,5\n")
    with pytest.raises(DataError, match=r"dev.csv: expected the columns of train.csv, a part of the same table; they differ in `stern`"):
        read(parts, IN_PARTS)
    for name in ("train.csv", "dev.csv"):
        (parts / name).write_text("kunde,artikel,split\nanna,lamp,test\n")
    with pytest.raises(DataError, match=r"train.csv: expected no column `split`, since the file name gives it"):
        read(parts, IN_PARTS.replace("test: held, ", ""))
