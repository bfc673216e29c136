"""Read MovieLens-100K with a graph of genres and years, from the example data in the RecBole wheel.

Harper and Konstan, "The MovieLens Datasets", ACM TiiS 5(4), 2015.

The Freebase graph in the wheel (Zhao et al., "KB4Rec", Data Intelligence 1(2), 2019) is not used: its links have the film numbers of
MovieLens-1M and lead from the films of MovieLens-100K to the entities of other films.
"""

import logging
from dataclasses import replace
from typing import cast

import polars as pl

from mmrec.data.sources.recbole import read_recbole
from mmrec.data.sources.title_queries import title_queries
from mmrec.files.locate import cache_folder
from mmrec.files.wheels import fetch_wheel
from mmrec.types import HEAD, ITEM_ID, RELATION, TAIL, Dataset

_log = logging.getLogger(__name__)
PACKAGE, VERSION = "recbole", "1.2.1"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FOLDER = "recbole/dataset_example/ml-100k"
FILES = tuple(f"ml-100k.{suffix}" for suffix in ("inter", "item", "user"))

TERMS = """\
MovieLens 100K was collected by the GroupLens Research Project at the University of Minnesota. Its terms: it is for research;
acknowledge its use; without their permission do not redistribute it nor use it commercially; do not imply that they endorse you. Cite:
F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent
Systems 5, 4, Article 19. https://doi.org/10.1145/2827872"""


def movielens_100k(cache: str | None = None) -> Dataset:
    """Read 100,000 ratings of 1,682 films by 943 users, with titles, genres, years, and triples from films to their genres and years.

    The first call downloads the wheel (2 MB) to `cache` (None: see `mmrec.files.locate.cache_folder`) and shows the terms of use.

    Raises DownloadError if that fails.
    """
    target = cache_folder(cache) / "wheels" / f"{PACKAGE}-{VERSION}"
    is_first = not target.exists()
    fetch_wheel(PACKAGE, VERSION, SHA256, [f"{FOLDER}/{file}" for file in FILES], target)
    if is_first:
        for line in TERMS.splitlines():
            _log.info(line)
    dataset = read_recbole(str(target / FOLDER), None, {}, [])
    title, genre, year = pl.col("movie_title").alias("title"), pl.col("class").str.replace_all(" ", ", ").alias("genre"), "release_year"
    users = cast("pl.DataFrame", dataset.users)  # this dataset has users
    items = dataset.items.select(ITEM_ID, title, genre, year)
    dataset = replace(
        dataset,
        name="movielens_100k",
        items=items,
        triples=_triples(items),
        text_columns=("title", "genre", year),
        users=users.with_columns(pl.col("age").cast(pl.Float64)),
    )
    return replace(dataset, queries=title_queries(dataset))


def _triples(items: pl.DataFrame) -> pl.DataFrame:
    """Build triples from the genre and year of films: the column is the relation, and entities are such as `genre:Drama`."""
    values = [
        items.select(pl.col(ITEM_ID).alias(HEAD), pl.lit(column).alias(RELATION), pl.col(column).str.split(", ").alias(TAIL)).explode(TAIL)
        for column in ("genre", "release_year")
    ]
    return pl.concat(values).with_columns(pl.format("{}:{}", RELATION, TAIL).alias(TAIL)).drop_nulls()
