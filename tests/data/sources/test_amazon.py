"""Amazon's reviews in files of the two published layouts: every value, what is left out and counted, and where the files may come from."""

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from mmrec.cli.train import train
from mmrec.data.interactions.leakage import flag_relations
from mmrec.data.sources import amazon
from mmrec.data.sources.amazon import Files, amazon_reviews
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError, DownloadError, MissingFile
from mmrec.files.storage import sha256_file
from mmrec.row_count import RowCount
from mmrec.types import Dataset, Hosts
from tests.web import Page, Web, serve

PAIRS = [("A1", "B1"), ("A1", "B2"), ("A2", "B1"), ("A2", "B2"), ("A3", "B2"), ("A4", "B9"), ("A3", "B1")]
"""Of which A4 and B9 are not in the 2-core."""


def reviews_2018() -> list[dict]:
    return [
        {
            "overall": 1.0 + n % 5,
            "verified": True,
            "reviewTime": "09 13, 2009",
            "reviewerID": user,
            "asin": item,
            "style": {"Color:": " Red"} if n % 2 else {"Size:": " L", "Flavor:": " Mint"},
            "reviewerName": "J. McDonald",
            "reviewText": "Great",
            "summary": "Heavenly",
            "unixReviewTime": 1252800000 + n,
            "vote": "5",
            "image": ["https://images-na.ssl-images-amazon.com/images/I/r.jpg"],
        }
        for n, (user, item) in enumerate(PAIRS)
    ]


PRODUCTS_2018 = [
    {
        "asin": "B2",
        "title": "Girls &amp; Boys  Tutu <b>Pink</b>",
        "description": ["A tutu.<br />", "For &lt;all&gt;"],
        "feature": ["Soft"],
        "category": ["Clothing", "Girls &amp; Boys"],
        "brand": "Coxlures",
        "price": "$3.17",
        "rank": ["#1 in Toys", "#2 in Clothing"],
        "imageURL": ["https://images.example/t_SS40_.jpg"],
        "imageURLHighRes": ["https://images.example/big.jpg", "https://images.example/other.jpg"],
        "also_buy": ["B1", "B77"],
        "also_view": ["B9"],
        "details": {"\n    Product Dimensions: \n    ": "1 x 1"},
        "similar_item": "",
    },
    {"asin": "B1", "title": "var t = new Date().getTime();", "description": [], "category": [], "brand": "", "also_buy": "", "rank": "1"},
    {"asin": "B2", "title": "again"},
    {"asin": "B9", "title": "left out"},
]


def reviews_2023() -> list[dict]:
    return [
        {
            "rating": 1.0 + n % 5,
            "title": "Such a lovely scent",
            "text": "but not overpowering",
            "images": [],
            "asin": f"{item}x",
            "parent_asin": item,
            "user_id": user,
            "timestamp": 1588687728923 + 1000 * n,
            "helpful_vote": 0,
            "verified_purchase": True,
        }
        for n, (user, item) in enumerate(PAIRS)
    ]


PRODUCTS_2023 = [
    {
        "main_category": "All Beauty",
        "title": "Spray &quot;Salt&quot;",
        "average_rating": 4.8,
        "rating_number": 10,
        "features": ["Vegan", "No &amp; more"],
        "description": ["Long", "lasting"],
        "price": 12.5,
        "images": [
            {"thumb": "https://m.example/t.jpg", "large": "https://m.example/l.jpg", "variant": "MAIN", "hi_res": None},
            {"thumb": "https://m.example/t2.jpg", "large": "https://m.example/l2.jpg", "variant": "PT01", "hi_res": "https://m.example/h2.jpg"},
        ],
        "videos": [],
        "store": "Howard",
        "categories": ["Beauty", "Hair"],
        "details": {"Brand": "Howard & Co", "UPC": "617390882781"},
        "parent_asin": "B1",
        "bought_together": None,
    },
    {
        "main_category": "Premium",
        "title": "Comb",
        "features": [],
        "description": [],
        "price": "from 3.99",
        "images": [],
        "store": "Combs",
        "categories": ["Beauty"],
        "details": {"Material": "Wood"},
        "parent_asin": "B2",
        "bought_together": None,
        "subtitle": None,
    },
]  # fmt: skip


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {
    "All_Beauty_5.json.gz": gzip.compress(lines(reviews_2018())),
    "All_Beauty.json.gz": gzip.compress(lines(reviews_2018()[:2])),
    "meta_All_Beauty.json.gz": gzip.compress(lines(PRODUCTS_2018)),
    "All_Beauty.jsonl": lines(reviews_2023()),
    "meta_All_Beauty.jsonl": lines(PRODUCTS_2023),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "amazon"
    folder.mkdir()
    for name, raw in FILES.items():
        (folder / name).write_bytes(raw)
    return folder


def load(folder: Path, /, year: int = 2018, k_core: int = 2, relations: tuple[str, ...] = ("category", "brand"), **more: object) -> Dataset:
    settings = {"category": "All_Beauty", "files": Files(str(folder))} | more
    return amazon_reviews(year=year, k_core=k_core, relations=list(relations), cache=str(folder.parent / "cache"), **settings)


def only(folder: Path, **files: bytes) -> Path:
    """Other content for some files, by what they are; the published 5-core is not there."""
    (folder / "All_Beauty_5.json.gz").unlink()
    names = {"reviews": "All_Beauty.json.gz", "products": "meta_All_Beauty.json.gz"}
    for kind, raw in files.items():
        (folder / names[kind]).write_bytes(gzip.compress(raw))
    return folder


def test_2018(folder: Path) -> None:
    found = load(only(folder, reviews=lines(reviews_2018())))
    assert found.interactions.columns == ["user_id", "item_id", "rating", "timestamp"]
    assert found.interactions.rows() == [
        ("A1", "B1", 1.0, 1252800000),
        ("A1", "B2", 2.0, 1252800001),
        ("A2", "B1", 3.0, 1252800002),
        ("A2", "B2", 4.0, 1252800003),
        ("A3", "B2", 5.0, 1252800004),
        ("A3", "B1", 2.0, 1252800006),
    ]
    assert found.items.rows(named=True) == [
        {
            "item_id": "B2",
            "image": "https://images.example/big.jpg",
            "title": "Girls & Boys Tutu Pink",
            "brand": "Coxlures",
            "category": "Clothing, Girls & Boys",
            "features": "Soft",
            "description": "A tutu. For <all>",
        },
        {"item_id": "B1", "image": None} | dict.fromkeys(("title", "brand", "category", "features", "description")),
    ]
    assert found.text_columns == ("title", "brand", "category", "features", "description")
    assert found.image_column == "image"
    assert found.triples is not None
    assert found.triples.rows() == [
        ("B2", "category", "category:Clothing"),
        ("B2", "category", "category:Girls & Boys"),
        ("B2", "brand", "brand:Coxlures"),
    ]
    assert found.counts == (RowCount("interactions", 7, n_filtered=1), RowCount("items", 4, n_deduplicated=1, n_filtered=1))
    assert found.notes == (
        "All_Beauty.json.gz: 1 of 7 reviews are left out: a user or a product of theirs has fewer than 2 (data.k_core)",
        "the entities of 1 of 2 items occur in no triple",
    )
    assert (found.name, found.hosts) == ("amazon_2018_All_Beauty", Hosts())


def test_what_was_bought_together_is_of_all_time(folder: Path) -> None:
    found = load(only(folder, reviews=lines(reviews_2018())), relations=("also_buy", "also_view"))
    assert found.triples is not None
    assert found.triples.rows() == [("B2", "also_buy", "B1"), ("B2", "also_buy", "B77"), ("B2", "also_view", "B9")]
    assert not any("all time" in note for note in found.notes)  # whoever trains is told, once
    assert [note.partition(" looks")[0] for note in flag_relations(found.triples)] == [
        "the relation `also_buy`",
        "the relation `also_view`",
    ]
    assert load(folder, relations=()).triples is None


def test_2023(folder: Path) -> None:
    found = load(folder, 2023)
    assert found.interactions.rows()[:2] == [("A1", "B1", 1.0, 1588687728), ("A1", "B2", 2.0, 1588687729)]
    assert len(found.interactions) == 6
    assert found.items.rows(named=True) == [
        {
            "item_id": "B1",
            "image": "https://m.example/l.jpg",
            "title": 'Spray "Salt"',
            "brand": "Howard & Co",
            "category": "Beauty, Hair",
            "features": "Vegan No & more",
            "description": "Long lasting",
        },
        {
            "item_id": "B2",
            "image": None,
            "title": "Comb",
            "brand": "Combs",
            "category": "Beauty",
            "features": None,
            "description": None,
        },
    ]
    assert found.triples is not None
    assert found.triples.rows() == [
        ("B1", "category", "category:Beauty"),
        ("B1", "category", "category:Hair"),
        ("B2", "category", "category:Beauty"),
        ("B1", "brand", "brand:Howard & Co"),
        ("B2", "brand", "brand:Combs"),
    ]
    assert found.counts == (RowCount("interactions", 7, n_filtered=1), RowCount("items", 2))
    assert found.notes[0].endswith("All_Beauty.jsonl: timestamp is in milliseconds")


def test_from_five_on_the_smaller_file_is_taken(folder: Path) -> None:
    assert len(load(folder, k_core=0).interactions) == 2
    with pytest.raises(DataError, match=r"All_Beauty_5\.json\.gz: none of 7 reviews is left .* at least 5; lower data\.k_core"):
        load(folder, k_core=5)
    (folder / "All_Beauty_5.json.gz").unlink()
    with pytest.raises(DataError, match=r"All_Beauty\.json\.gz: none of 2 reviews"):
        load(folder, k_core=5)


def test_all_reviews_and_products_without_a_row(folder: Path) -> None:
    found = load(only(folder, reviews=lines(reviews_2018()), products=lines(PRODUCTS_2018[:1])), k_core=0)
    assert len(found.interactions) == 7
    assert found.items["item_id"].to_list() == ["B2", "B1", "B9"]
    assert found.notes[0] == "2 of 3 items only occur in the interactions and have no further information"
    assert found.counts[0] == RowCount("interactions", 7)


def test_unpacked_files_are_read_as_well(folder: Path) -> None:
    packed = load(only(folder, reviews=lines(reviews_2018())))
    for name in ("All_Beauty.json", "meta_All_Beauty.json"):
        (folder / name).write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))
        (folder / f"{name}.gz").unlink()
    assert load(folder).items.equals(packed.items)


def test_broken_lines_and_values_are_named(folder: Path) -> None:
    rows = reviews_2018()
    rows[1]["unixReviewTime"], rows[2]["overall"], rows[3]["asin"] = None, "good", ""
    only(folder, reviews=lines(rows) + b"{broken\n")
    with pytest.raises(DataProblems) as raised:
        load(folder)
    said = str(raised.value)
    assert "All_Beauty.json.gz:2:unixReviewTime: expected a time" in said
    assert "All_Beauty.json.gz:3:overall: expected a number, found `good`" in said
    assert "All_Beauty.json.gz:4:asin: expected an id" in said
    assert "All_Beauty.json.gz:8:2: not JSON" in said
    (folder / "All_Beauty.json.gz").write_bytes(FILES["All_Beauty_5.json.gz"])
    (folder / "meta_All_Beauty.json.gz").write_bytes(gzip.compress(lines(PRODUCTS_2018) + b"<html>\n"))
    with pytest.raises(DataProblems, match=r"meta_All_Beauty\.json\.gz:5:1: not JSON"):
        load(folder)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"category": "../../etc"}, "data.category: expected a name"),
        ({"year": 2014}, "data.year: expected 2018 or 2023, found `2014`"),
        ({"relations": ("brnd",)}, "data.relations: the products of 2018 have no `brnd`; did you mean `brand`"),
        ({"year": 2023, "relations": ("also_buy",)}, "data.relations: the products of 2023 have no `also_buy`"),
    ],
)
def test_arguments_that_are_none(folder: Path, changed: dict, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(folder, **changed)


def test_missing_files(folder: Path) -> None:
    (folder / "meta_All_Beauty.json.gz").unlink()
    with pytest.raises(MissingFile, match=r"meta_All_Beauty\.json\.gz does not exist; did you mean `meta_All_Beauty\.jsonl`"):
        load(folder)
    with pytest.raises(MissingFile, match="there is no"):
        load(folder / "absent" / "more")


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        for place in (amazon._LAYOUTS[2018].core_reviews, amazon._LAYOUTS[2018].products, "review_categories/{}.jsonl"):
            web.pages[f"/{place.format('All_Beauty')}"] = Page(FILES[place.format("All_Beauty").rpartition("/")[2]])
        web.pages["/meta_categories/meta_All_Beauty.jsonl"] = Page(b"", 302, {"Location": web.url("/blob?x", "127.0.0.1")})
        web.pages["/blob?x"] = Page(FILES["meta_All_Beauty.jsonl"])
        yield web


def test_2018_is_fetched_with_hashes_only(web: Web, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    settings = {"allow_private": True, "k_core": 5}
    files = Files(base_url=web.url("/"))
    for key, name in (("reviews_sha256", "All_Beauty_5.json.gz"), ("products_sha256", "meta_All_Beauty.json.gz")):
        found = sha256_file(folder / name)
        with pytest.raises(DownloadError, match=rf"no hash is pinned for it, so it is not used; .*: data\.files\.{key}={found}"):
            load(folder, **settings, files=files)
        files = replace(files, **{key: found})
    assert "arXiv:2403.03952" in caplog.text
    caplog.clear()
    with pytest.raises(DataError, match="none of 7 reviews"):  # fetched, and read
        load(folder, **settings, files=files)
    assert not caplog.messages
    assert web.paths() == ["/categoryFilesSmall/All_Beauty_5.json.gz", "/metaFiles2/meta_All_Beauty.json.gz"]


def test_2023_is_pinned_by_its_revision(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = amazon._LAYOUTS[2023]
    assert amazon.REVISION in layout.base_url and layout.revision_hosts == ("*.huggingface.co", "*.hf.co")
    here = type(layout)(**{**vars(layout), "base_url": web.url(""), "revision_hosts": ("127.0.0.1",)})
    monkeypatch.setitem(amazon._LAYOUTS, 2023, here)
    fetched = load(folder, 2023, files=Files(), allow_private=True)
    given = load(folder, 2023)
    assert fetched.items.equals(given.items) and fetched.interactions.equals(given.interactions)
    assert fetched.content_hash == given.content_hash
    with pytest.raises(DownloadError, match="no hash is pinned"):  # another place is not that revision
        load(folder, 2023, files=Files(base_url=web.url("/")), allow_private=True)


def test_hosts_of_pictures_are_handed_on(folder: Path) -> None:
    assert load(folder, 2023, allow_hosts=["m.example"], allow_private=True).hosts == Hosts(("m.example",), private=True)
    assert load(folder, 2023).items.schema["image"] == pl.String


def test_training_with_the_graph(tmp_path: Path, compose: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(f"A{user}", f"B{(7 * user + 3 * n) % 20}") for user in range(30) for n in range(10)]
    reviews = [
        {"user_id": user, "parent_asin": item, "rating": 5.0, "timestamp": 1588687728923 + n} for n, (user, item) in enumerate(pairs)
    ]
    products = [{"parent_asin": f"B{n}", "title": f"Toy {n}", "store": f"S{n % 3}", "categories": ["Toys", f"K{n % 4}"]} for n in range(20)]
    (tmp_path / "Toys.jsonl").write_bytes(lines(reviews))
    (tmp_path / "meta_Toys.jsonl.gz").write_bytes(gzip.compress(lines(products)))
    monkeypatch.chdir(tmp_path)
    settings = ["trainer.max_epochs=1", "trainer.enable_progress_bar=false", "baselines=none", "logger=local", "~logger.tensorboard"]
    data = ["data=amazon_reviews", "data.category=Toys", f"data.files.folder={tmp_path}", f"paths.cache={tmp_path / 'cache'}"]
    run_dir = train(compose(*data, *settings, "evidence.text=false", "evidence.image=false"))
    assert run_dir.name.startswith("amazon_reviews-random_ratio-")
    record = json.loads((run_dir / "run.json").read_text())
    assert any("timestamp is in milliseconds" in note for note in record["data"]["notes"])
