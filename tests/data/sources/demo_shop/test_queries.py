"""The queries of the generated shop: what they name, which items are clicked, and that nothing else has changed."""

import hashlib
from pathlib import Path

import polars as pl
import pytest
import torch

from mmrec.data.sources.demo_shop.dataset import demo_shop, load_truth, load_truth_info
from mmrec.data.sources.demo_shop.queries import NAMED, SYNONYMS
from mmrec.data.sources.demo_shop.texts import DISTRACTORS
from mmrec.data.sources.demo_shop.world import N_PERIODS, PERIOD_SECONDS, START, VALUES
from mmrec.types import Dataset

BEFORE = {  # of the shop of 40 users, 80 items, 400 interactions and seed 5, when it had no queries
    "interactions.csv": "5f951462f1dbe0d3c39508ee99c86dbe36faca2b649543f0604063a526b9b932",
    "items.jsonl": "575dffc5b2b876d664801de144c9eed7915b206e0fee074d9f99bb1c5a4f6745",
    "triples.csv": "e53e8adeb2fe0b75999d95ea081d4f36fe95d80123bbaa3a1b1dd80aec281b3f",
    "item_entities.csv": "0042d3d23f3fb2cf7c277f919051ed482ef2d5078324c4592bf62f93fc59cdbe",
    "users.csv": "c456b4f73ec4ddf6909829168fe903a3f385123c70f6a2473c954a7a09df454c",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return demo_shop(str(tmp_path_factory.mktemp("cache")), n_users=100, n_items=200, n_interactions=3000, seed=3)


def test_all_other_files_are_the_same_with_queries(tmp_path: Path) -> None:
    root = demo_shop(str(tmp_path), n_users=40, n_items=80, n_interactions=400, seed=5).root
    assert {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in BEFORE} == BEFORE


def test_there_are_queries_of_every_kind(shop: Dataset) -> None:
    queries = shop.queries
    assert queries is not None and len(queries) == 900
    assert queries.columns == ["query", "item_id", "user_id", "timestamp", "spelling", "wording"]
    assert queries["timestamp"].is_sorted() and queries["timestamp"].min() >= START
    for column, values in (("spelling", {"correct", "misspelled"}), ("wording", {"named", "synonym"})):
        assert set(queries[column]) == values
    assert 0.1 < (queries["spelling"] == "misspelled").mean() < 0.25


def test_correct_queries_consist_of_names_and_synonyms(shop: Dataset) -> None:
    words = {value: value for group in NAMED for value in VALUES[group]}
    words |= {synonym: value for value, synonyms in SYNONYMS.items() for synonym in synonyms}
    assert len(words) == len(SYNONYMS) * 3  # no synonym has two meanings
    assert set(SYNONYMS) == {value for group in NAMED for value in VALUES[group]}
    assert shop.queries is not None
    for row in shop.queries.filter(spelling="correct").iter_rows(named=True):
        named = row["query"].replace("for ", "").split()
        assert all(word in words for word in named)
        assert (row["wording"] == "synonym") == any(words[word] != word for word in named)


def test_clicked_items_mostly_have_what_was_named_and_had_been_launched(shop: Dataset) -> None:
    truth, info = load_truth(shop), load_truth_info(shop)
    places = {item: place for place, item in enumerate(info["item_ids"])}
    hits, launch = [], truth["launch_period"]
    assert shop.queries is not None
    for row in shop.queries.filter(spelling="correct", wording="named").iter_rows(named=True):
        item, named = places[row["item_id"]], row["query"].replace("for ", "").split()
        assert launch[item] <= (row["timestamp"] - START) // PERIOD_SECONDS < N_PERIODS
        values = {VALUES[group][int(truth[f"attribute_{group}"][item])] for group in NAMED}
        hits.append(len(set(named) & values) / len(named))
    assert torch.tensor(hits).mean() > 0.85


def test_no_text_of_the_shop_has_a_word_that_only_queries_have(shop: Dataset) -> None:
    texts = " ".join(shop.items["description"].drop_nulls().to_list()).lower()
    for group in ("colour", "property"):
        for value in VALUES[group]:
            for word in (value, *SYNONYMS[value]):
                assert f" {word} " not in texts.replace(" ".join(DISTRACTORS).lower(), ""), word


def test_the_queries_are_those_of_the_seed(tmp_path: Path, shop: Dataset) -> None:
    again = demo_shop(str(tmp_path), n_users=100, n_items=200, n_interactions=3000, seed=4)
    assert again.queries is not None and shop.queries is not None
    assert not again.queries.equals(shop.queries)
    assert pl.read_csv(shop.root / "queries.csv")["query"].to_list() == shop.queries["query"].to_list()
