"""mmrec.data.tables.literals: which tails are literals, and what numbers they say."""

from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.tables.literals import NUMBER, mark_literals, number_of, split_literals


def triples(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["head", "relation", "tail", "datatype"][: len(rows[0])], orient="row")


def literal_tails(frame: pl.DataFrame, *entities: str) -> list[str]:
    marked, _ = mark_literals(frame, pl.Series(entities, dtype=pl.String))
    return [one.value for one in split_literals(marked)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1995", 1995.0),
        (" -2.5e3 ", -2500.0),
        ("1995-07", 1995.5),
        ("1995-07-01", 1995.5),
        ("1995-07-01T12:00:00Z", 1995.5),
        ("-0044-03-15", -44 + (2 + 14 / 31) / 12),
        ("true", 1.0),
        ("inf", None),
        ("NaN", None),
        ("1995 AD", None),
        ("", None),
    ],
)
def test_numbers(text: str, expected: float | None) -> None:
    found = pl.DataFrame({"tail": [text]}).select(number_of("tail")).item()
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_relation_to_numbers_that_are_no_entities_is_one_of_literals() -> None:
    """Genres are texts; the tail of `next` is a head; one length is no number."""
    frame = triples(
        ("a", "year", "1995"), ("b", "year", "1996-05-01"), ("a", "genre", "Drama"), ("a", "length", "long"), ("b", "length", "90"),
        ("a", "next", "7.5"), ("7.5", "genre", "Drama"), ("a", "twin", "8.5"), ("a", "code", "007"),
    )  # fmt: skip
    marked, notes = mark_literals(frame, pl.Series(["a", "8.5"]))
    assert marked["datatype"].to_list() == [NUMBER, NUMBER] + 7 * [None]
    assert notes == ("2 of 9 triples end in literals, which are features of their entities: `year` (2)",)


def test_entities_that_are_numbers_are_not_taken_for_literals() -> None:
    """Items are numbered: a brand 4711 may be an entity, a year among texts, a price with a point cannot be."""
    numbered = triples(("1", "made_by", "4711"), ("2", "made_by", "4712"), ("1", "of", "1995"))
    assert literal_tails(numbered, "1", "2") == []
    assert literal_tails(triples(("f1", "year", "1995"), ("f2", "rank", "4711")), "f1", "f2") == ["1995", "4711"]
    assert literal_tails(pl.concat([numbered, triples(("1", "genre", "Drama"), ("1", "price", "9.5"))]), "1", "2") == ["1995", "9.5"]


def test_what_the_file_says_is_not_guessed_again() -> None:
    """Without a datatype a number is an entity. Shared names are entities alone, shared years both, own texts none."""
    frame = triples(
        ("a", "year", "1995", "gYear"), ("b", "year", "1995", "gYear"), ("a", "rank", "1", None), ("a", "by", "Ann", "string"),
        ("b", "by", "Ann", "string"), ("b", "by", "Bob", "string"),
    )  # fmt: skip
    assert literal_tails(frame, "a") == ["1995", "Bob", "1995"]
    assert split_literals(frame)[0].rows() == [
        ("a", "rank", "1"),
        ("a", "by", "Ann"),
        ("b", "by", "Ann"),
        ("a", "year", "year:1995"),
        ("b", "year", "year:1995"),
    ]


def test_without_literals_there_is_no_column_and_no_note() -> None:
    frame = triples(("a", "by", "Ann", None))
    assert mark_literals(frame, pl.Series(["a"]))[0].columns == ["head", "relation", "tail"]
    assert mark_literals(frame, pl.Series(["a"]))[1] == ()


def test_a_folder_tells_of_its_literals(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nu,a\n")
    (tmp_path / "triples.csv").write_text("head,relation,tail,datatype\na,by,Ann,\na,rank,1,integer\n")
    dataset = read_folder(str(tmp_path))
    assert any("1 of 2 triples end in literals" in note for note in dataset.notes)
