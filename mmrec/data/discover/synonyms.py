"""Common names of the columns and files of recommender data."""

import re

from mmrec.types import ENTITY, HEAD, ITEM_ID, LABEL, POSITION, PROPENSITY, QUERY, RATING, RELATION, TAIL, TIMESTAMP, USER_ID

_USERS = """user uid customer cust client member visitor reviewer account buyer shopper person people profile subscriber reader listener
viewer player guest patient student session username kunde kunden nutzer benutzer besucher käufer kaeufer mitglied cliente
utilisateur usuario klant"""
_ITEMS = """item iid sku asin product prod article movie film book isbn track song video game app business news recipe course hotel
property listing offer content goods stock gtin ean upc variant show anime restaurant place poi venue artist album podcast paper catalog
catalogue thing artikel produkt ware buch katalog articulo artículo producto produit livre"""
_IDS = """id key code no nr num nummer number uuid guid hash ref idx index token parent external internal unique anonymous hashed"""
WORDS = {
    USER_ID: _USERS,
    ITEM_ID: _ITEMS,
    TIMESTAMP: "timestamp ts time date datetime at created when unix epoch zeit zeitpunkt zeitstempel datum bestelldatum kaufdatum fecha",
    RATING: "rating star score overall grade vote bewertung sterne note punkte",
    "event": "event action behavior behaviour interaction ereignis aktion",
    LABEL: "label click clicked clk",
    POSITION: "position pos rank slot",
    PROPENSITY: "propensity pscore",
    QUERY: "query search term keyword phrase suchbegriff suchanfrage",
    HEAD: "head subject subj source src from h s",
    RELATION: "relation rel predicate pred property edge type label r p",
    TAIL: "tail object obj target dst to t o",
    ENTITY: "entity uri node wikidata dbpedia freebase qid kg mid",
    "image": "image img picture pic photo poster thumbnail thumb cover bild foto",
}
"""The words that name each of our columns."""
_BESIDE = {
    **dict.fromkeys((USER_ID, ITEM_ID), _IDS),
    TIMESTAMP: None,
    RATING: "user value given review customer item product",
    "event": "type name kind",
    LABEL: "is was has item user",
    POSITION: "item display shown list",
    PROPENSITY: "score item position",
    QUERY: "text string words term raw user search",
    **dict.fromkeys((HEAD, RELATION, TAIL, ENTITY), f"{_IDS} entity node type"),
    "image": "path file filename url uri link src main small large front name",
}
"""The words that may occur next to them; None: any."""
FILE_WORDS = {
    "interactions": """interaction impression rating review order purchase event click view sale transaction log history play listen rental
    loan basket bestellung bestellungen käufe bewertung bewertungen verlauf""",
    "items": f"{_ITEMS} meta metadata",
    "users": _USERS,
    "triples": "triple kg graph edge fact relation knowledge ontology",
    "queries": "query search searches searchlog searchlogs suchanfrage suchanfragen",
    "item_entities": "link entity mapping map alignment align",
}
"""The words in file names for each of our tables."""
_PART_WORDS = {
    "train": "train training trainset",
    "valid": "valid validation validate val validset dev devset eval",
    "test": "test testing testset",
}
_ENDINGS = re.compile(r"(.{3,}?)(nummer|number|nr|id|code|key|uuid)")


def is_called(name: str, column: str) -> bool:
    """Whether a column name is plausible for one of our columns.

    >>> [is_called(name, "item_id") for name in ("movieId", "Artikel-Nr.", "sku", "item_count")]
    [True, True, True, False]
    """
    others, beside = _without(words_of(name), WORDS[column]), _BESIDE[column]
    return len(others) < len(words_of(name)) and (beside is None or not _without(others, beside))


def is_file_of(name: str, table: str) -> bool:
    """Whether a file name is plausible for one of our tables."""
    return len(_without(words_of(name), FILE_WORDS[table])) < len(words_of(name))


def part_of(name: str) -> tuple[str, tuple[str, ...]]:
    """The part in a file name, empty if there is none or several; and the other words of the name.

    >>> part_of("ratings_train-01.csv"), part_of("valid.csv"), part_of("latest.csv")
    (('train', ('ratings', 'csv')), ('valid', ('csv',)), ('', ('latest', 'csv')))
    """
    words = [word.casefold() for word in _letters(name)]
    parts = {part for part, known in _PART_WORDS.items() if set(known.split()) & set(words)}
    if len(parts) != 1:
        return "", tuple(words)
    (part,) = parts
    return part, tuple(word for word in words if word not in _PART_WORDS[part].split())


def words_of(name: str) -> list[str]:
    """The words of a name in lower case, without a type after a colon, as in `item_id:token`.

    >>> words_of("movieId"), words_of("Kundennummer"), words_of("created_at")
    (['movie', 'id'], ['kunden', 'nummer'], ['created', 'at'])
    """
    return [word for part in _letters(name.partition(":")[0]) for word in _halves(part.casefold())]


def _letters(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])", "_", name))


def _halves(word: str) -> tuple[str, ...]:
    found = _ENDINGS.fullmatch(word)
    return found.groups() if found else (word,)


def _without(words: list[str], known: str) -> list[str]:
    """The words that are not known, also not as plurals."""
    return [word for word in words if not {word, word.removesuffix("s"), re.sub(r"ies$", "y", word)} & set(known.split())]
