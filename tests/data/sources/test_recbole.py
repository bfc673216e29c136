"""RecBole's atomic files: whole and in parts, columns by their types, what each mistake says; and the same tables in our own formats."""

import json
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.sources.recbole import read_recbole
from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.types import Dataset

FILES = {
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\tmood:token\n1\t10\t3\t881250949\tgood\n2\t12\t5\t881250950.5\n",
    "item": (
        "item_id:token\trelease_year:token\tmovie_title:token_seq\tprice:float\tsound:float_seq\n"
        '10\t1995\t"Twelve Monkeys\t9.5\t0.5 -1\n11\t007\tEmma\t\t\n'
    ),
    "user": "user_id:token\tage:token\theight:float\n1\t24\t1.8\n",
    "kg": "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm.actor\tm.2\n",
    "link": "item_id:token\tentity_id:token\n10\tm.1\n99\tm.2\n",
}
PART = "user_id:token\titem_id:token\n{}\n"


def write(folder: Path, **changed: str | None) -> Path:
    """The folder with the files above, called as it is; `item=…` replaces its .item, None leaves it out."""
    for suffix, content in (FILES | changed).items():
        if content is not None:
            (folder / f"{folder.name}.{suffix.replace('_', '.')}").write_text(content)
    return folder


def read(folder: Path, name: str | None = None, columns: dict[str, str] | None = None, **choices: object) -> Dataset:
    return read_recbole(str(folder), name, columns or {}, **({"text_columns": None} | choices))


def test_all_files(tmp_path: Path) -> None:
    dataset = read(write(tmp_path))
    assert (dataset.name, dataset.root) == (tmp_path.name, tmp_path)
    assert dataset.interactions.columns == ["user_id", "item_id", "timestamp", "rating"]
    assert dataset.interactions.rows() == [("1", "10", 881250949, 3.0), ("2", "12", 881250950, 5.0)]
    assert dataset.items.columns == ["item_id", "release_year", "movie_title", "price", "sound"]
    assert dataset.items.rows() == [
        ("10", "1995", '"Twelve Monkeys', 9.5, [0.5, -1.0]),
        ("11", "007", "Emma", None, None),
        ("12", None, None, None, None),
    ]
    assert dataset.text_columns == ("movie_title", "release_year")
    assert dataset.users is not None and dataset.users.rows() == [("1", "24", 1.8)]
    assert dataset.triples is not None and dataset.triples.rows() == [("m.1", "film.actor", "m.2")]
    assert dataset.item_entities is not None and dataset.item_entities.rows() == [("10", "m.1")]
    assert dataset.notes == (
        f"{tmp_path.name}.link: 1 of 2 rows are of items that occur in no other table",
        "1 of 3 items only occur in the interactions and have no further information",
        "items: `sound` (List) is not used as text unless data.text_columns says so",
        "2 of 3 items have no entity",
    )


def test_interactions_alone_and_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "shop.inter").write_text("session:token\tproduct_id:token\tuser_id:float\na\t7\t3\n")
    dataset = read(tmp_path, "shop", {"user_id": "session", "item_id": "product_id"})
    assert (dataset.name, dataset.interactions.rows(), dataset.items.rows()) == ("shop", [("a", "7")], [("7",)])
    assert (dataset.text_columns, dataset.users, dataset.triples, dataset.notes) == ((), None, None, ())


def test_chosen_texts(tmp_path: Path) -> None:
    assert read(write(tmp_path), text_columns=["price", "movie_title"]).text_columns == ("price", "movie_title")
    with pytest.raises(ConfigError, match=r"data\.text_columns: the items have no column `title`; did you mean `movie_title`"):
        read(tmp_path, text_columns=["title"])
    with pytest.raises(ConfigError, match=r"data\.columns\.itemid: .* did you mean `item_id`"):
        read(tmp_path, columns={"itemid": "product_id"})


def test_parts_are_given(tmp_path: Path) -> None:
    parts = {"train_inter": PART.format("1\t10\n1\t11"), "valid_inter": PART.format("2\t10"), "test_inter": PART.format("2\t11")}
    interactions = read(write(tmp_path, inter=None, **parts)).interactions
    assert interactions.rows() == [("1", "10", "train"), ("1", "11", "train"), ("2", "10", "valid"), ("2", "11", "test")]
    assert interactions.columns == ["user_id", "item_id", "split"]
    (tmp_path / f"{tmp_path.name}.valid.inter").unlink()
    assert read(tmp_path).interactions["split"].to_list() == ["train", "train", "test"]


def test_the_hash_is_of_every_file(tmp_path: Path) -> None:
    hashes = {read(write(tmp_path)).content_hash}
    for suffix, content in FILES.items():
        hashes.add(read(write(tmp_path, **{suffix: content + content.splitlines()[1].replace("1", "6") + "\n"})).content_hash)
    assert len(hashes) == 1 + len(FILES)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"inter": "user_id\titem_id\n1\t2\n"}, r"\.inter:1: expected columns headed `name:type`, .*token_seq.*, found `user_id`"),
        ({"item": "item_id:token\tprice:int\n1\t2\n"}, r"\.item:1: .* found `price:int`"),
        ({"item": "item_id:token\ta:token\ta:float\n1\t2\t3\n"}, r"\.item:1: .* each name once, .* found `a:float`"),
        ({"inter": "uid:token\titem_id:token\n1\t2\n"}, r"\.inter: expected a column `user_id`, found `uid:token`, `item_id:token`"),
        (
            {"inter": "user_id:token,item_id:token\n1,2\n"},
            r"\.inter:1: expected columns .*, the file has one column .* separated by tabs\?",
        ),
        ({"kg": "head_id:token\trelation_id:token\n1\t2\n"}, r"\.kg: expected a column `tail_id`"),
        ({"inter": "user_id:token\titem_id:token\n"}, r"\.inter: expected at least one row below the header"),
        ({"inter": "user_id:token\titem_id:token\n1\t2\t3\n"}, r"\.inter:2: expected 2 fields, as the header has, found 3"),
        ({"item": "item_id:token\tprice:float\n1\tcheap\n"}, r"\.item:2:price:float: expected a number, found `cheap` \[no-number\]"),
        (
            {"item": "item_id:token\tv:float_seq\n1\t1 2\n2\t1 x\n"},
            r"\.item:3:v: expected numbers with spaces .*, found `1 x` \[no-number\]",
        ),
        ({"item": "item_id:token\tv:float_seq\n1\tnan\n"}, r"\.item:2:v: expected numbers"),
        ({"user": "user_id:token\n1\n1\n"}, r"\.user:3:user_id: expected each user_id once"),
        (
            {"link": "item_id:token\tentity_id:token\n77\tm.1\n"},
            r"\.link: expected items that the interactions or the items name, found none",
        ),
        ({"link": None}, "without a table item_entities, items are entities with the same id"),
        ({"train_inter": PART.format("1\t2")}, r"expected the interactions whole or in parts, found .*\.inter and .*\.train\.inter"),
        (
            {"inter": None, "train_inter": PART.format("1\t2"), "test_inter": FILES["inter"]},
            r"\.test\.inter: expected the columns of .*\.train\.inter; they differ in `rating`",
        ),
        (
            {"inter": "user_id:token\titem_id:token\tsplit:token\n1\t2\tdev\n"},
            r"\.inter:2:split: expected train, valid or test, found `dev`",
        ),
    ],
)
def test_wrong_content(tmp_path: Path, changed: dict[str, str | None], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(write(tmp_path, **changed))


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    broken = {
        "inter": "user_id:token\titem_id:token\trating:float\n1\t\tx\n",
        "user": "user_id:token\n1\n1\n",
        "kg": FILES["kg"] + "a\t\tb\n",
    }
    with pytest.raises(DataError) as raised:
        read(write(tmp_path, **broken))
    lines = str(raised.value).splitlines()
    stem = tmp_path / tmp_path.name
    assert [line.split(": ")[0] for line in lines[:4]] == [
        f"{stem}.inter:2:item_id:token",
        f"{stem}.inter:2:rating:float",
        f"{stem}.user:3:user_id",
        f"{stem}.kg:3:relation_id:token",
    ]


def test_broken_rows_can_be_set_aside(tmp_path: Path) -> None:
    inter = "user_id:token\titem_id:token\n1\t10\n1\t\n"
    (tmp_path / "ml").mkdir()
    dataset = read(write(tmp_path / "ml", inter=inter), on_error="quarantine", quarantine=str(tmp_path / "out"))
    assert dataset.interactions.rows() == [("1", "10")]
    assert str(dataset.counts[0]) == "interactions: 2 rows in = 1 kept + 1 quarantined + 0 deduplicated + 0 filtered"
    (line,) = (tmp_path / "out" / dataset.content_hash[:16] / "inter.jsonl").read_text().splitlines()
    assert json.loads(line) == {"place": f"{tmp_path / 'ml' / 'ml.inter'}:3", "row": {"user_id:token": "1", "item_id:token": None}}


def test_missing_files_name_what_is_near(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(MissingFile, match=r"shop.inter does not exist"):
        read(tmp_path, "shop")
    with pytest.raises(MissingFile, match="does not exist"):
        read(tmp_path / "ml-100k")


TABLES = {
    "interactions": pl.DataFrame(
        {"user_id": ["1", "2"], "item_id": ["10", "11"], "timestamp": [881250949, 881250950], "rating": [3.0, 4.5]}
    ),
    "items": pl.DataFrame({"item_id": ["10", "11"], "title": ["Toy Story", "Emma"], "genre": ["Comedy", None], "price": [9.5, None]}),
    "users": pl.DataFrame({"user_id": ["1", "2"], "age": [24.5, 53.0], "gender": ["M", "F"]}),
    "triples": pl.DataFrame({"head": ["m.1"], "relation": ["film.actor"], "tail": ["m.2"]}),
    "item_entities": pl.DataFrame({"item_id": ["10"], "entity": ["m.1"]}),
}
RECBOLE = {
    "interactions": ("inter", ["user_id:token", "item_id:token", "timestamp:float", "rating:float"]),
    "items": ("item", ["item_id:token", "title:token_seq", "genre:token", "price:float"]),
    "users": ("user", ["user_id:token", "age:float", "gender:token"]),
    "triples": ("kg", ["head_id:token", "relation_id:token", "tail_id:token"]),
    "item_entities": ("link", ["item_id:token", "entity_id:token"]),
}


def test_one_dataset_in_three_formats(tmp_path: Path) -> None:
    for kind in ("csv", "parquet", "recbole"):
        (tmp_path / kind).mkdir()
    for stem, table in TABLES.items():
        suffix, heads = RECBOLE[stem]
        table.write_csv(tmp_path / "csv" / f"{stem}.csv")
        table.write_parquet(tmp_path / "parquet" / f"{stem}.parquet")
        table.rename(dict(zip(table.columns, heads, strict=True))).write_csv(tmp_path / "recbole" / f"ml.{suffix}", separator="\t")
    csv, parquet = (read_folder(str(tmp_path / kind)) for kind in ("csv", "parquet"))
    for dataset in (csv, parquet, read(tmp_path / "recbole", "ml")):
        for stem, table in TABLES.items():
            assert getattr(dataset, stem).equals(table) and getattr(dataset, stem).schema == table.schema, stem
        assert (dataset.text_columns, dataset.notes) == (("title", "genre"), ("1 of 2 items have no entity",))
