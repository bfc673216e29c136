"""Guesses at folders of very different shapes: what `mmrec data init` would write must be what a person would have written."""

import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from mmrec.data.discover.guess import Guesses, guess_settings
from mmrec.data.discover.guess_columns import DOUBTFUL, LIKELY, SURE
from mmrec.data.discover.survey import survey_folder
from mmrec.errors import DataError


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def rows(*columns: list[object], header: str, separator: str = ",") -> str:
    """Delimited text of columns."""
    return "\n".join([header, *(separator.join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


def guess(folder: Path) -> dict[str, object]:
    return {one.key: one.value for one in guess_settings(survey_folder(folder)).found}


def confidence(guesses: Guesses) -> dict[str, str]:
    return {one.key: one.confidence for one in guesses.found}


USERS, ITEMS = [1, 1, 2, 2, 3, 3], [7, 8, 7, 9, 8, 9]
SECONDS = [1_600_000_000 + 100 * n for n in range(6)]


def test_german_names_and_semicolons(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bestellungen.csv": "Kundennummer;Artikel-Nr.;Bestelldatum;Menge;Sterne\nK1;A1;2024-01-03;1;5\nK1;A2;2024-01-04;2;4\n"
            "K2;A1;2024-01-05;1;3\n",
            "artikel.csv": "Artikel-Nr.;Beschreibung;Bezeichnung;EAN\nA1;Ein runder Tisch;Tisch;4001\nA2;Ein Stuhl, bequem;Stuhl;4002\n",
            "kunden.csv": "Kundennummer;Ort\nK1;Bonn\nK2;Ulm\n",
        },
    )
    found = guess_settings(survey_folder(tmp_path))
    assert guess(tmp_path) == {
        "tables.interactions": "bestellungen.csv",
        "tables.items": "artikel.csv",
        "tables.users": "kunden.csv",
        "columns.interactions.user_id": "Kundennummer",
        "columns.interactions.item_id": "Artikel-Nr.",
        "columns.interactions.timestamp": "Bestelldatum",
        "columns.interactions.rating": "Sterne",
        "columns.items.item_id": "Artikel-Nr.",
        "columns.users.user_id": "Kundennummer",
        "text_columns": ["Bezeichnung", "Beschreibung"],
    }
    assert set(confidence(found).values()) == {SURE}
    assert "separated by semicolons" in found.found[0].reason
    assert found.missing == ("no table of triples (optional: no knowledge graph)",)


@pytest.mark.parametrize("file", ["search_queries.csv", "searches.csv"])
def test_searches_with_clicked_items(tmp_path: Path, file: str) -> None:
    clicks = rows(USERS, ITEMS, SECONDS, header="user_id,item_id,timestamp")
    searches = rows(["boots"] * 6, ITEMS, USERS, header="search_term,sku,customer_id")
    write(tmp_path, {"clicks.csv": clicks, file: searches})
    assert guess(tmp_path) == {
        "tables.interactions": "clicks.csv",
        "tables.queries": file,
        "columns.interactions.user_id": "user_id",
        "columns.interactions.item_id": "item_id",
        "columns.interactions.timestamp": "timestamp",
        "columns.queries.query": "search_term",
        "columns.queries.item_id": "sku",
        "columns.queries.user_id": "customer_id",
    }


def test_reviews_and_meta_as_lines_of_json(tmp_path: Path) -> None:
    reviews = [
        {
            "reviewerID": f"R{u}",
            "asin": f"B{i:03}",
            "overall": 4.0 + u % 2,
            "reviewText": "fine",
            "unixReviewTime": t,
            "reviewTime": "01 1, 2014",
        }
        for u, i, t in zip(USERS, ITEMS, SECONDS, strict=True)
    ]
    meta = [
        {"asin": f"B{i:03}", "title": f"Lamp number {i}", "imUrl": f"http://x/{i}.jpg", "category": ["Home", f"Room {i}"]}
        for i in (7, 8, 9)
    ]
    files = {"reviews.jsonl": reviews, "meta.jsonl": meta}
    write(tmp_path, {name: "".join(json.dumps(row) + "\n" for row in content) for name, content in files.items()})
    found = guess(tmp_path)
    assert (found["tables.interactions"], found["tables.items"]) == ("reviews.jsonl", "meta.jsonl")
    wanted = {"user_id": "reviewerID", "item_id": "asin", "timestamp": "unixReviewTime", "rating": "overall"}
    assert {key.rpartition(".")[2]: value for key, value in found.items() if key.startswith("columns.interactions")} == wanted
    assert found["text_columns"] == ["title", "category"]


def test_movielens_like_with_other_tables_of_users_and_items(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ratings.csv": rows(USERS, ITEMS, [4, 3.5, 2, 5, 1, 4], SECONDS, header="userId,movieId,rating,timestamp"),
            "movies.csv": rows(
                [7, 8, 9], ["Heat (1995)", "Big (1988)", "Alien (1979)"], ["Crime|Drama"] * 3, header="movieId,title,genres"
            ),
            "tags.csv": rows(USERS[:3], ITEMS[:3], ["dark"] * 3, SECONDS[:3], header="userId,movieId,tag,timestamp"),
            "links.csv": rows([7, 8, 9], [113277, 94737, 78748], header="movieId,imdbId"),
            "README.txt": "the data\n",
        },
    )
    found = guess_settings(survey_folder(tmp_path))
    values = {one.key: one.value for one in found.found}
    assert (values["tables.interactions"], values["tables.items"]) == ("ratings.csv", "movies.csv")
    assert values["columns.interactions.rating"] == "rating" and values["text_columns"][0] == "title"
    assert set(found.unused) >= {"tags.csv", "links.csv"} and "tables.users" not in values


def test_parts_of_parquet_and_times_in_milliseconds(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    frame = pl.DataFrame({"visitor_id": USERS, "item": ITEMS, "ts": [1_000 * s for s in SECONDS], "event": ["view"] * 5 + ["buy"]})
    for part in range(2):
        frame[3 * part : 3 * part + 3].write_parquet(tmp_path / "events" / f"part-{part}.parquet")
    (tmp_path / "events" / "_SUCCESS").touch()
    found = guess_settings(survey_folder(tmp_path))
    values = {one.key: (one.value, one.reason) for one in found.found}
    assert values["tables.interactions"][0] == "events" and "2 files" in values["tables.interactions"][1]
    assert values["columns.interactions.timestamp"][0] == "ts" and "milliseconds, 2020-09-13" in values["columns.interactions.timestamp"][1]
    assert values["columns.interactions.event"] == ("event", "buy, view")
    assert "no table of items (without texts and pictures of items)" in found.missing


def test_orders_by_month_beside_returns_of_the_same_columns(tmp_path: Path) -> None:
    months = {f"orders-2024-0{m}.csv": rows(USERS, ITEMS, SECONDS, header="customer;sku;created_at", separator=";") for m in (1, 2)}
    write(tmp_path, months | {"returns-1.csv": rows([1], [7], SECONDS[:1], header="customer,sku,created_at")})
    found = guess(tmp_path)
    reasons = {one.key: one.reason for one in guess_settings(survey_folder(tmp_path)).found}
    assert reasons["tables.interactions"].endswith("; 2 files with the same columns; is separated by semicolons")
    assert found["tables.interactions"] == "orders-2024-*.csv"
    assert found["columns.interactions.timestamp"] == "created_at"


@pytest.mark.parametrize(
    ("names", "column", "pattern"),
    [
        (["pics/7.png", "pics/8.png"], "", "pics/{item_id}.*"),
        (["pics/a/7.png", "pics/b/8.png"], "", "pics/**/{item_id}.*"),
        (["7.png", "8.png"], "", "{item_id}.*"),
        (["7.png", "pics/8.png"], "", "**/{item_id}.*"),
        (["pics/x.png", "pics/y.png"], "pics/x.png|pics/y.png", "photo"),
        (["pics/x.png", "pics/y.png"], "x.png|y.png", "pics/{photo}"),
        (["pics/x.png", "pics/y.png"], "x|y", "pics/{photo}.*"),
    ],
)
def test_pictures_by_path_by_id_and_by_another_column(tmp_path: Path, names: list[str], column: str, pattern: str) -> None:
    photos = column.split("|") if column else ["", ""]
    write(
        tmp_path,
        {
            "purchases.csv": rows([1, 1, 2], [7, 8, 7], header="user,product"),
            "products.csv": rows([7, 8], ["A lamp", "A chair"], photos, header="id,name,photo"),
        },
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    found = guess(tmp_path)
    assert found["image_column"] == pattern and found["text_columns"] == ["name"]


def test_nothing_but_two_columns_without_names(tmp_path: Path) -> None:
    write(tmp_path, {"data.csv": rows(USERS, ITEMS, header="a,b")})
    found = guess_settings(survey_folder(tmp_path))
    assert {one.key: one.value for one in found.found} == {
        "tables.interactions": "data.csv",
        "columns.interactions.user_id": "a",
        "columns.interactions.item_id": "b",
    }
    assert set(confidence(found).values()) == {DOUBTFUL}
    assert "no timestamp in data.csv" in found.missing


def test_shared_ids_join_what_names_do_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.csv": rows([f"x{i}" for i in ITEMS], [f"u{u}" for u in USERS], header="c1,c2"),
            "products.csv": rows(["x7", "x8", "x9"], ["A lamp", "A chair", "A bed"], header="c3,c4"),
            "people.csv": rows(["u1", "u2", "u3"], [30, 40, 50], header="c5,c6"),
        },
    )
    found = guess_settings(survey_folder(tmp_path))
    assert {one.key: one.value for one in found.found} == {
        "tables.interactions": "a.csv",
        "tables.items": "products.csv",
        "tables.users": "people.csv",
        "columns.interactions.user_id": "c2",
        "columns.interactions.item_id": "c1",
        "columns.items.item_id": "c3",
        "columns.users.user_id": "c5",
        "text_columns": ["c4"],
    }
    assert confidence(found)["columns.interactions.item_id"] in (LIKELY, DOUBTFUL)


TRIPLES = rows(["E7", "E8", "E9", "E7"], ["made_by"] * 3 + ["of_kind"], ["acme", "acme", "bolt", "lamp"], header="subject,predicate,object")


@pytest.mark.parametrize("table", ["item_entities.csv", "wikidata.csv"])
def test_triples_and_what_links_items_to_them(tmp_path: Path, table: str) -> None:
    write(
        tmp_path,
        {
            "interactions.csv": rows(USERS, ITEMS, header="user_id,item_id"),
            "items.csv": rows([7, 8, 9], ["A lamp", "A chair", "A bed"], header="item_id,title"),
            "kg.csv": TRIPLES,
            table: rows([7, 8, 9], ["E7", "E8", "E9"], header="item_id,qid" if table[0] == "w" else "item_id,x"),
        },
    )
    found = guess(tmp_path)
    assert (found["tables.triples"], found["tables.item_entities"], found["tables.items"]) == ("kg.csv", table, "items.csv")
    names = [found[f"columns.triples.{ours}"] for ours in ("head", "relation", "tail")]
    assert names == ["subject", "predicate", "object"]


def test_triples_without_names_and_items_outside_them(tmp_path: Path) -> None:
    graph = rows([7, 8, 9, 7, 8], ["r1", "r1", "r1", "r2", "r2"], ["p", "q", "p", "k", "k"], header="x,y,z")
    files = {"interactions.csv": rows(USERS, ITEMS, header="user_id,item_id"), "facts.csv": graph}
    found = guess(write(tmp_path, files))
    assert [found[f"columns.triples.{ours}"] for ours in ("head", "relation", "tail")] == ["x", "y", "z"]
    write(tmp_path, {"facts.csv": TRIPLES})
    assert any(
        sentence.startswith("no item is in the triples under its own id") for sentence in guess_settings(survey_folder(tmp_path)).missing
    )


def test_what_cannot_be_a_time_or_a_rating_is_told_with_an_example(tmp_path: Path) -> None:
    write(tmp_path, {"orders.csv": "user;item;date;rating\na;x;03.01.2024;4,5\na;y;04.01.2024;3,5\nb;x;05.01.2024;2,0\n"})
    missing = guess_settings(survey_folder(tmp_path)).missing
    assert any("`date` is named like a time, but `03.01.2024` cannot be read" in sentence for sentence in missing)
    assert any("`rating` is named like a rating, but `4,5` is not a number" in sentence for sentence in missing)


def test_labels_positions_and_propensities_of_impressions(tmp_path: Path) -> None:
    log = rows(USERS, ITEMS, [0, 1, 0, 0, 1, 0], [1, 2, 3, 4, 5, 6], [0.5, 0.25] * 3, SECONDS, header="uid,sku,clicked,rank,propensity,ts")
    write(tmp_path, {"impressions.csv": log})
    found = guess_settings(survey_folder(tmp_path))
    wanted = {"user_id": "uid", "item_id": "sku", "timestamp": "ts", "label": "clicked", "position": "rank", "propensity": "propensity"}
    assert guess(tmp_path) == {"tables.interactions": "impressions.csv"} | {
        f"columns.interactions.{ours}": name for ours, name in wanted.items()
    }
    assert confidence(found)["columns.interactions.label"] == SURE


@pytest.mark.parametrize(
    ("labels", "positions", "sentence"),
    [
        ([1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6], "`clicked` is named like a label, but `1` is not one of the two values 0 and 1"),
        ([0, 3, 0, 1, 1, 2], [1, 2, 3, 4, 5, 6], "`clicked` is named like a label, but `0` is not one of the two values 0 and 1"),
        ([0, 1, 0, 1, 1, 0], ["a", 2, 3, 4, 5, 6], "`rank` is named like a position, but `a` is not a whole number"),
    ],
)
def test_what_cannot_be_a_label_or_a_position_is_told(tmp_path: Path, labels: list, positions: list, sentence: str) -> None:
    write(tmp_path, {"log.csv": rows(USERS, ITEMS, labels, positions, header="user,item,clicked,rank")})
    assert any(sentence in told for told in guess_settings(survey_folder(tmp_path)).missing)


def test_small_numbers_may_be_an_order_but_hardly_times(tmp_path: Path) -> None:
    write(tmp_path, {"log.csv": rows(USERS, ITEMS, range(6), header="user,item,time")})
    found = guess_settings(survey_folder(tmp_path))
    assert confidence(found)["columns.interactions.timestamp"] == DOUBTFUL


def test_a_folder_without_interactions_lists_what_was_seen(tmp_path: Path) -> None:
    write(tmp_path, {"items.csv": "sku,title\n1,A lamp\n2,A chair\n", "broken.parquet": "no\n", "notes.md": "x\n"})
    with pytest.raises(DataError, match=r"expected a table of user-item interactions") as refused:
        guess_settings(survey_folder(tmp_path))
    said = str(refused.value)
    assert "items.csv: `sku`, `title`" in said and "broken.parquet: not a Parquet file" in said and "notes.md" in said
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder has no files"):
        guess_settings(survey_folder(tmp_path / "empty"))


ROWS = "user,item,time\n1,7,1600000000\n1,8,1600000100\n2,7,1600000200\n"


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (("train.csv", "valid.csv", "test.csv"), {"train": "train.csv", "valid": "valid.csv", "test": "test.csv"}),
        (("test.tsv", "train.tsv"), {"train": "train.tsv", "test": "test.tsv"}),
        (("data/train.csv", "data/test.csv"), {"train": "data/train.csv", "test": "data/test.csv"}),
        (("ratings_train.csv", "ratings_test.csv"), {"train": "ratings_train.csv", "test": "ratings_test.csv"}),
        (("train-1.csv", "train-2.csv", "dev.csv", "test.csv"), {"train": "train-*.csv", "valid": "dev.csv", "test": "test.csv"}),
        (("train/0.csv", "train/1.csv", "test/0.csv"), {"train": "train", "test": "test/0.csv"}),
    ],
)
def test_parts_by_the_names_of_files(tmp_path: Path, files: tuple[str, ...], parts: dict[str, str]) -> None:
    header = {name: ROWS.replace(",", "\t") if name.endswith("tsv") else ROWS for name in files}
    write(tmp_path, header | {"items.csv": rows([7, 8], ["A lamp", "A chair"], header="item,title")})
    found = guess(tmp_path)
    assert {key: value for key, value in found.items() if key.startswith("tables")} == {
        **{f"tables.interactions.{part}": name for part, name in parts.items()},
        "tables.items": "items.csv",
    }
    assert found["columns.interactions.timestamp"] == "time"


@pytest.mark.parametrize(
    "files",
    [
        ("train.csv", "valid.csv"),
        ("train.csv", "latest.csv"),
        ("train.csv", "val.csv", "dev.csv"),
        ("ratings_train.csv", "tags_test.csv"),
    ],
)
def test_what_are_no_parts_of_one_table(tmp_path: Path, files: tuple[str, ...]) -> None:
    write(tmp_path, dict.fromkeys(files, ROWS))
    assert [key for key in guess(tmp_path) if key.startswith("tables.interactions.")] == []


def test_files_that_have_a_column_of_parts_are_not_joined_by_name(tmp_path: Path) -> None:
    content = "user,item,split\n1,7,train\n1,8,test\n2,7,train\n"
    write(tmp_path, {"train.csv": content, "test.csv": content})
    assert guess(tmp_path)["tables.interactions"] in ("train.csv", "test.csv")
