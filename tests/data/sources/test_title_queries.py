"""mmrec.data.sources.title_queries and misspell: words of the catalogue, synonyms, and one wrong letter."""

from pathlib import Path

import numpy as np
import polars as pl

from mmrec.data.sources.misspell import misspell
from mmrec.data.sources.title_queries import PER_ITEM, SYNONYMS, title_queries
from mmrec.types import Dataset

ITEMS = pl.DataFrame(
    {
        "item_id": ["1", "2", "3"],
        "title": ["The Silence of the Lambs", "Toy Story", None],
        "genre": ["Thriller, Horror", "Animation, Comedy", None],
        "release_year": ["1991", "1995", None],
        "plot": ["A cannibal helps to catch a murderer.", None, None],
    }
)
INTERACTIONS = pl.DataFrame({"user_id": ["a"], "item_id": ["1"]})
TITLES = ("title", "genre", "release_year")


def test_queries_have_words_of_the_item() -> None:
    found = title_queries(Dataset("films", Path("."), INTERACTIONS, ITEMS, TITLES))
    assert found.columns == ["query", "item_id", "spelling", "wording"]
    assert found["item_id"].to_list() == ["1"] * PER_ITEM + ["2"] * PER_ITEM  # nothing to say of the third
    synonyms = {word for genre in ("thriller", "horror", "animation", "comedy") for one in SYNONYMS[genre] for word in one.split()}
    of_lambs, of_toys = "silence lambs thriller horror 1991 cannibal helps catch murderer", "toy story animation comedy 1995"
    known = {*of_lambs.split(), *of_toys.split(), *synonyms}
    for row in found.filter(spelling="correct").iter_rows(named=True):
        assert set(row["query"].split()) <= known
        assert (row["wording"] == "synonym") <= bool(set(row["query"].split()) & synonyms)


def test_the_same_seed_gives_the_same_queries_in_any_order_of_items() -> None:
    forward, backward = (title_queries(Dataset("films", Path("."), INTERACTIONS, items, TITLES)) for items in (ITEMS, ITEMS.reverse()))
    assert forward.equals(backward)
    assert not forward.equals(title_queries(Dataset("films", Path("."), INTERACTIONS, ITEMS, TITLES), seed=1))


def test_a_misspelled_text_differs_by_one_letter_of_a_longer_word() -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        wrong = misspell("red leather hat", rng)
        first, word, last = wrong.split(" ")
        assert (first, last) == ("red", "hat") and word[0] == "l" and abs(len(word) - len("leather")) <= 1
        seen.add(word)
    assert len(seen) > 30
    assert misspell("red hat 1995", rng) == "red hat 1995"
