"""`mmrec data init`: what it writes is read back by every verb, says why, and replaces nothing unasked."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig

from mmrec.cli.data.check import check_command
from mmrec.cli.data.init import init, settings_text
from mmrec.data.discover.guess import Guesses
from mmrec.data.discover.guess_columns import DOUBTFUL, SURE, Guess
from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, DataError, MissingFile

FILES = {
    "bestellungen-01.csv": "Kunde;Artikel;Datum;Sterne\nK1;A1;2024-01-03;1\nK1;A2;2024-01-04;4\nK2;A1;2024-01-05;5\n",
    "bestellungen-02.csv": "Kunde;Artikel;Datum;Sterne\nK2;A2;2024-02-03;2\n",
    "artikel.csv": "Artikel;Bezeichnung\nA1;Tisch\nA2;Stuhl\n",
    "wissen.tsv": "subject\tpredicate\tobject\nA1\tis\tfurniture\nA2\tis\tfurniture\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_what_it_writes_makes_the_right_tables(
    folder: Path, compose: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    init([str(folder)])
    printed = capsys.readouterr().out
    assert "bestellungen-*.csv" in printed and f"mmrec data check {folder}" in printed and "no table of users" in printed
    dataset = read_folder(str(folder))
    assert dataset.interactions.sort("timestamp").rows() == [
        ("K1", "A1", 1704240000, 1.0),
        ("K1", "A2", 1704326400, 4.0),
        ("K2", "A1", 1704412800, 5.0),
        ("K2", "A2", 1706918400, 2.0),
    ]
    assert dataset.items.rows() == [("A1", "Tisch"), ("A2", "Stuhl")] and dataset.text_columns == ("Bezeichnung",)
    assert dataset.triples is not None and dataset.triples.row(0) == ("A1", "is", "furniture")
    assert check_command(compose("data=folder", f"data.path={folder}", name="check"))["sound"]


def test_it_replaces_nothing_unasked(folder: Path) -> None:
    (folder / "mmrec.yaml").write_text("tables: {}\n")
    with pytest.raises(ConfigError, match=r"mmrec.yaml already exists; .* --force"):
        init([str(folder)])
    assert (folder / "mmrec.yaml").read_text() == "tables: {}\n"
    init([str(folder), "--force"])
    assert "bestellungen-*.csv" in (folder / "mmrec.yaml").read_text()


def test_it_writes_nothing_where_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("sku,title\n1,A lamp\n2,A chair\n")
    with pytest.raises(DataError, match=r"items.csv: `sku`, `title`"):
        init([str(tmp_path)])
    assert not (tmp_path / "mmrec.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a folder: mmrec data init my_shop/"),
        (["a", "b"], "b: expected a single folder, and `a` is already given"),
        (["--forec", "a"], "--forec: there is no such option; did you mean `--force`?"),
    ],
)
def test_a_mistake_is_told(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        init(words)
    assert str(refused.value) == said


def test_a_folder_that_is_not_there_names_the_nearest(folder: Path) -> None:
    with pytest.raises(MissingFile, match=f"did you mean `{folder.name}`"):
        init([str(folder)[:-1]])


def test_any_name_is_written_as_yaml_that_reads_back_the_same() -> None:
    names = ["a: b", "yes", "1", "x\ny", "#", "ä €", "*.csv", "\x07", "{item_id}.*", "'", '"', "- a", "null", "2024-01-01", "\U0001f600"]
    guesses = [Guess(f"columns.items.{n}", name, SURE, f"called {name}\nso") for n, name in enumerate(names)]
    text = settings_text(Guesses((*guesses, Guess("text_columns", names, DOUBTFUL, "a")), (names[3],), (names[7],)))
    read = yaml.safe_load(text)
    assert list(read["columns"]["items"].values()) == names == read["text_columns"]
    assert "# please check: a" in text and "# Not found: x y" in text


def test_a_doubtful_guess_is_marked(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,7\n1,8\n2,7\n2,8\n")
    init([str(tmp_path)])
    assert "    item_id: b  # please check: " in (tmp_path / "mmrec.yaml").read_text()


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "valid", "test")])
def test_files_that_are_parts_are_read_as_such_and_the_split_is_named(
    tmp_path: Path, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, part in enumerate(parts):
        (tmp_path / f"{part}.csv").write_text(f"user,item\na,x{number}\na,y{number}\nb,x{number}\n")
    init([str(tmp_path)])
    assert f"then: mmrec train data=folder data.path={tmp_path} split=given\n" in capsys.readouterr().out
    dataset = read_folder(str(tmp_path))
    assert dataset.interactions["split"].to_list() == [part for part in parts for _ in range(3)]
    assert "    train: train.csv  # sure: " in (tmp_path / "mmrec.yaml").read_text()


def test_parts_whose_columns_differ_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.csv").write_text("user,item,rating\na,x,1\na,y,2\nb,x,3\n")
    (tmp_path / "test.csv").write_text("user,item,stars,note\na,z,1,k\nb,y,2,l\n")
    init([str(tmp_path)])
    said = (
        "train.csv, test.csv are named like parts of one table, but are not joined because their columns differ: "
        "`rating` only in train.csv, `stars`, `note` only in test.csv; give them the same columns and run again with --force"
    )
    assert f"note: {said}" in capsys.readouterr().out
    text = (tmp_path / "mmrec.yaml").read_text()
    assert f"# Note: {said}" in text and yaml.safe_load(text)["tables"]["interactions"] == "train.csv"
    (tmp_path / "test.csv").write_text("user,item,rating\na,z,1\nb,y,2\n")
    init([str(tmp_path), "--force"])
    assert "are not joined" not in capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "mmrec.yaml").read_text())["tables"]["interactions"] == {"train": "train.csv", "test": "test.csv"}
