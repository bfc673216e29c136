"""Names that people give to columns and files."""

import pytest

from mmrec.data.discover.synonyms import is_called, is_file_of, part_of, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("created_at", ["created", "at"]),
        ("movieId", ["movie", "id"]),
        ("Kundennummer", ["kunden", "nummer"]),
        ("Artikel-Nr.", ["artikel", "nr"]),
        ("item_id:token", ["item", "id"]),
        ("paid", ["paid"]),
        ("2024-01", []),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("column", "yes", "no"),
    [
        ("user_id", ["user", "uid", "CustomerID", "reviewerID", "Käufer"], ["user_rating", "username_count", "id", "user_name_length"]),
        ("item_id", ["sku", "asin", "parent_asin", "StockCode", "product_ids"], ["item_name", "item_count", "product_title", "code"]),
        ("timestamp", ["ts", "InvoiceDate", "unixReviewTime", "Datum"], ["dated", "timing"]),
        ("rating", ["stars", "user_rating", "overall", "Sterne"], ["rating_count", "ratings_sum"]),
        ("label", ["is_click", "clicked", "Label"], ["click_count", "label_name"]),
        ("position", ["pos", "item_position", "rank"], ["ranking_score", "composition"]),
        ("propensity", ["propensity_score", "pscore"], ["probability"]),
        ("head", ["subject", "source", "head_id"], ["heading"]),
        ("entity", ["qid", "entity_uri"], ["identity"]),
    ],
)
def test_columns(column: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not is_called(name, column)] == []
    assert [name for name in no if is_called(name, column)] == []


def test_files() -> None:
    assert (
        is_file_of("orders-2024-01.csv", "interactions")
        and is_file_of("Artikel.csv", "items")
        and is_file_of("item_entities.csv", "item_entities")
    )
    assert not is_file_of("data.csv", "items")


@pytest.mark.parametrize(
    ("name", "part", "others"),
    [
        ("train.csv", "train", ("csv",)),
        ("ratings_valid-02.tsv.gz", "valid", ("ratings", "tsv", "gz")),
        ("xTest.csv", "test", ("x", "csv")),
        ("DEV", "valid", ()),
        ("latest.csv", "", ("latest", "csv")),
        ("train_test.csv", "", ("train", "test", "csv")),
    ],
)
def test_parts(name: str, part: str, others: tuple[str, ...]) -> None:
    assert part_of(name) == (part, others)
