"""The grammar of dialogues: sentences in English and Chinese, what they refer to, and what they cannot say."""

import pytest

from mmrec.steering.critique import LikenessCritique, NumberCritique, ValueCritique, WordsCritique
from mmrec.steering.grammar import Meaning, Situation, Unread, read_sentence
from mmrec.steering.vocabulary import Vocabulary
from tests.steering.films import PRICES, YEARS, Films

KNOWN = {"dark", "bright", "violent", "sequel", "黑暗", "slow"}


def number(column: str, item_idx: int | None) -> float | None:
    values = {"price": PRICES, "year": YEARS}[column]
    found = sorted(values[:3])[1] if item_idx is None else values[item_idx]
    return found if found == found else None


SITUATION = Situation(Films.vocabulary, (0, 1, 2), None, number, lambda words: words in KNOWN)


def value(kind: str, name: str) -> ValueCritique:
    return ValueCritique(kind, "genre", name)


@pytest.mark.parametrize(
    ("text", "critiques"),
    [
        ("less of genre Drama", [value("less", "Drama")]),
        ("Fewer dramas, please!", [value("less", "Drama")]),
        ("I want more sci-fi", [value("more", "Sci-Fi")]),
        ("no more horror", [value("no", "Horror")]),
        ("only genre: comedies", [value("only", "Comedy")]),
        ("comedy", [value("more", "Comedy")]),
        ("cheaper", [NumberCritique("price", True, 9.99)]),
        ("too expensive", [NumberCritique("price", True, 9.99)]),
        ("something newer than 3", [NumberCritique("year", False, 1985.0)]),
        ("older than Alien", [NumberCritique("year", True, 1979.0)]),
        ("price below 10.50", [NumberCritique("price", True, 10.5)]),
        ("lower price", [NumberCritique("price", True, 9.99)]),
        ("year at least 1,990", [NumberCritique("year", False, 1990.0, True)]),
        ("price at most 5", [NumberCritique("price", True, 5.0, True)]),
        ("no drama and comedy", [value("no", "Drama"), value("no", "Comedy")]),
        ("less drama, horror", [value("less", "Drama"), value("less", "Horror")]),
        ("no drama but comedy", [value("no", "Drama"), value("more", "Comedy")]),
        ("something less dark", [WordsCritique("dark", False)]),
        ("something not too expensive", [NumberCritique("price", True, 9.99)]),
        ("少一点Drama，多来点Comedy", [value("less", "Drama"), value("more", "Comedy")]),
        ("像2，但是便宜一点", [LikenessCritique(1), NumberCritique("price", True, PRICES[1])]),
        ("something darker", [WordsCritique("dark")]),
        ("brighter", [WordsCritique("bright")]),
        ("not so violent", [WordsCritique("violent", False)]),
        ("not another sequel", [WordsCritique("sequel", False)]),
        ("similar to Brazil", [LikenessCritique(1)]),
        ("like this but cheaper", [LikenessCritique(0), NumberCritique("price", True, 12.5)]),
        (
            "like 2, but less violent and newer",
            [LikenessCritique(1), WordsCritique("violent", False), NumberCritique("year", False, 1985.0)],
        ),
        ("less drama and more comedy", [value("less", "Drama"), value("more", "Comedy")]),
        ("darker but cheaper", [WordsCritique("dark"), NumberCritique("price", True, 9.99)]),
        ("不要Horror", [value("no", "Horror")]),
        ("请少一点 Drama", [value("less", "Drama")]),
        ("便宜一点", [NumberCritique("price", True, 9.99)]),
        ("太贵了", [NumberCritique("price", True, 9.99)]),
        ("更新一些的", [NumberCritique("year", False, 1985.0)]),
        ("来点黑暗的", [WordsCritique("黑暗")]),
        ("像《Clue》但是便宜一点", [LikenessCritique(2), NumberCritique("price", True, 5.0)]),
    ],
)
def test_critiques_are_read(text: str, critiques: list[object]) -> None:
    found = read_sentence(text, SITUATION)
    assert isinstance(found, Meaning) and found.kind == "critique" and list(found.critiques) == critiques


@pytest.mark.parametrize(
    ("text", "kind", "item_idx"),
    [
        ("like 2", "like", 1),
        ("I love Fargo", "like", 5),
        ("like the first one", "like", 0),
        ("I don't like the last one", "dislike", 2),
        ("not f4", "dislike", 3),
        ("dislike this", "dislike", 0),
        ("不喜欢第3个", "dislike", 2),
        ("喜欢 alien", "like", 0),
        ("Undo.", "undo", None),
        ("撤销", "undo", None),
    ],
)
def test_ratings_are_read(text: str, kind: str, item_idx: int | None) -> None:
    assert read_sentence(text, SITUATION) == Meaning(kind, item_idx)


@pytest.mark.parametrize(
    ("text", "reason", "suggestions"),
    [
        ("", "empty", ()),
        ("  ?! ", "empty", ()),
        ("quelque chose de plus sombre", "", ()),
        ("etwas anderes bitte", "", ()),
        ("less of genre Darma", "unknown_value", ("genre Drama",)),
        ("more comdy", "unknown_value", ("genre Comedy",)),
        ("only westerns", "unknown_value", ()),
        ("like Alein", "unknown_item", ("Alien",)),
        ("like 9", "unknown_item", ()),
        ("longer", "no_number", ("price", "year")),
        ("newer than Evita", "no_number_there", ()),
        ("like 0", "unknown_item", ()),
        ("only drama and comedy", "unknown_value", ()),
        ("something xyzzy", "unknown_words", ()),
        ("a" * 501, "too_long", ()),
    ],
)
def test_what_cannot_be_read_says_why(text: str, reason: str, suggestions: tuple[str, ...]) -> None:
    found = read_sentence(text, SITUATION)
    assert isinstance(found, Unread) and (found.reason, found.suggestions) == (reason, suggestions)


def test_this_is_the_item_that_was_mentioned_last() -> None:
    assert read_sentence("dislike it", Situation(Films.vocabulary, (0, 1), 1)) == Meaning("dislike", 1)
    assert isinstance(read_sentence("dislike it", Situation(Films.vocabulary)), Unread)


def test_any_text_is_read_or_answered() -> None:
    pieces = ["like", "not", "1", "this", "but", "更", "的", "{x}", "\\", "(", "drama", "than", "", "\ud800", "👍", "a" * 300]
    for one in pieces:
        for other in pieces:
            read_sentence(f"{one} {other}", SITUATION)


def test_a_part_of_a_value_is_a_word_of_its_own() -> None:
    situation = Situation(Vocabulary(["a"], ["A"], {"caption": ["red flower"]}))
    found = read_sentence("more flower and less red", situation)
    assert isinstance(found, Meaning) and found.critiques == (WordsCritique("flower"), WordsCritique("red", False))
    assert isinstance(read_sentence("more red flowre", situation), Unread)
