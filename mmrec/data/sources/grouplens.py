"""Read MovieLens-1M and MovieLens Latest Small in the GroupLens format, downloaded from files.grouplens.org or from a local archive.

Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015. Both are for research; their terms are shown when
they are downloaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import polars as pl

from mmrec.data.folder.read import complete_items, hash_files, row_counts
from mmrec.data.sources.title_queries import title_queries
from mmrec.data.tables.columns import Column, ReadTable, read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import TableFile
from mmrec.files.archives import unpack_once
from mmrec.files.download import download_pinned
from mmrec.files.locate import missing_file, user_path
from mmrec.files.storage import sha256_file
from mmrec.types import ITEM_ID, RATING, TIMESTAMP, USER_ID, Dataset

TERMS = """\
{name} was collected by the GroupLens Research Project at the University of Minnesota. Its terms: it is for research; acknowledge its use;
{redistribute}; without their permission do not use it commercially; do not imply that they endorse you. Cite:
F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on Interactive Intelligent
Systems 5, 4, Article 19. https://doi.org/10.1145/2827872"""

MAX_BYTES = 2**28
"""The limit per archive and for its content; the larger one has 6 MB, unpacked 25 MB."""
_TITLE, _GENRE, _YEAR = "title", "genre", "release_year"
_RATINGS = (Column(USER_ID, "id"), Column(ITEM_ID, "id"), Column(RATING, "number"), Column(TIMESTAMP, "seconds"))
_MOVIES = (Column(ITEM_ID, "id"), Column(_TITLE, "text"), Column(_GENRE, "text"))
_LINKS = (Column(ITEM_ID, "id"), Column("imdb_id", "text"), Column("tmdb_id", "text"))
_USERS = (Column(USER_ID, "id"), *(Column(name, "text") for name in ("gender", "age", "occupation", "zip_code")))
_NAMES = {USER_ID: "userId", ITEM_ID: "movieId", _GENRE: "genres", "imdb_id": "imdbId", "tmdb_id": "tmdbId"}
_ENDS_WITH_YEAR = r"\s*\((\d{4})\)\s*$"
_NO_GENRES = "(no genres listed)"
_AGES = {"1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55", "56": "56 and over"}
_OCCUPATIONS = (
    "other",
    "academic or educator",
    "artist",
    "clerical or administrative",
    "college or graduate student",
    "customer service",
    "doctor or health care",
    "executive or managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales or marketing",
    "scientist",
    "self-employed",
    "technician or engineer",
    "tradesman or craftsman",
    "unemployed",
    "writer",
)


class DoubleColonFile(TableFile):
    """A table of fields separated by `::`, in ISO 8859-1 without a header; blank lines are skipped, empty fields are null."""

    has_types = False

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        super().__init__(path)
        self._columns = list(columns)

    @property
    def columns(self) -> list[str]:
        return self._columns

    def scan(self) -> pl.LazyFrame:
        if self._has_wrong.any():
            raise pl.exceptions.ComputeError(f"{self.path}: lines with another number of fields")
        return self._rows.lazy()

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        wrong = self._lines.filter(self._has_wrong)
        self.broken = tuple(wrong["line"])
        first = wrong.head(max(1, problems.room))
        reason = f"expected {len(self._columns)} fields with `::` between them, found {{}}: `{{}}`"
        shown = [
            Problem("wrong-fields", f"{self.path}:{line}", reason.format(len(fields), "::".join(fields)[:80]))
            for line, fields in first.rows()
        ]
        if shown:
            problems.add(str(self.path), shown, len(wrong))
        return self._rows.lazy()

    def places(self, rows: Sequence[int]) -> list[str]:
        lines = self._lines["line"].filter(~self._has_wrong)
        return [f"{self.path}:{lines[row]}" for row in rows]

    @cached_property
    def _lines(self) -> pl.DataFrame:
        """The number of each nonblank line, from 1, and its fields."""
        text = pl.Series("fields", self.path.read_bytes().decode("iso-8859-1").split("\n")).str.strip_chars_end("\r")
        frame = text.to_frame().with_row_index("line", 1).filter(pl.col("fields").str.strip_chars() != "")
        return frame.with_columns(pl.col("fields").str.split("::"))

    @property
    def _has_wrong(self) -> pl.Series:
        return self._lines["fields"].list.len() != len(self._columns)

    @property
    def _rows(self) -> pl.DataFrame:
        fields = self._lines.filter(~self._has_wrong)["fields"].list
        frame = pl.DataFrame({name: fields.get(position, null_on_oob=True) for position, name in enumerate(self._columns)})
        return frame.with_columns(pl.all().replace("", None))


def movielens_1m(cache: str, url: str, sha256: str | None, archive: str | None = None, allow_private: bool = False) -> Dataset:
    """Read 1,000,209 ratings of 3,706 films by 6,040 users, with titles, years and genres, and gender, age and occupation of users.

    The catalogue has 3,883 films.

    Args:
        cache: the folder for downloads and unpacked files.
        url: the location of ml-1m.zip.
        sha256: the hash of ml-1m.zip. None: the file is downloaded and its hash shown, but it is not used.
        archive: a local ml-1m.zip; if its hash is not `sha256`, a note says so.
        allow_private: whether `url` may be on this machine or its local network.

    Raises:
        DownloadError: the file cannot be downloaded or unpacked, or its hash is not `sha256`.
        MissingFile: `archive` does not exist.
        DataProblems: a line cannot be parsed.
    """
    members = ["ml-1m/ratings.dat", "ml-1m/movies.dat", "ml-1m/users.dat"]
    terms = TERMS.format(name="MovieLens 1M", redistribute="without their permission do not redistribute it")
    folder, notes = _unpacked(members, user_path(cache), url, sha256, archive, allow_private, terms)
    problems = Problems()
    ratings = read_table(DoubleColonFile(folder / members[0], [USER_ID, ITEM_ID, RATING, TIMESTAMP]), _RATINGS, problems)
    movies = read_table(DoubleColonFile(folder / members[1], [ITEM_ID, _TITLE, _GENRE]), _MOVIES, problems)
    users = read_table(DoubleColonFile(folder / members[2], [column.name for column in _USERS]), _USERS, problems)
    problems.raise_any()
    occupations = {str(code): name for code, name in enumerate(_OCCUPATIONS)}
    named = users.frame.with_columns(pl.col("age").replace(_AGES), pl.col("occupation").replace(occupations))
    return _assemble("movielens_1m", folder, {"interactions": ratings, "items": movies, "users": users}, _films(movies), named, notes)


def movielens_latest_small(cache: str, url: str, sha256: str | None, archive: str | None = None, allow_private: bool = False) -> Dataset:
    """Read 100,836 ratings (in half stars) of 9,724 films by 610 users, with title, year, genres, IMDb and TMDb ids of 9,742 films.

    GroupLens updates this dataset from time to time; the counts and the default hash are of September 2018. Users' tags are left out: they
    were given over the same period as the ratings, so future ones would leak held-out ratings.

    Args and Raises are those of `movielens_1m`.
    """
    members = [f"ml-latest-small/{stem}.csv" for stem in ("ratings", "movies", "links")]
    terms = TERMS.format(name="MovieLens Latest Small", redistribute="redistribute it under the same terms alone")
    folder, notes = _unpacked(members, user_path(cache), url, sha256, archive, allow_private, terms)
    problems = Problems()
    columns = dict(zip(members, (_RATINGS, _MOVIES, _LINKS), strict=True))
    ratings, movies, links = (read_table(open_table(folder / path), columns[path], problems, _NAMES) for path in members)
    problems.raise_any()
    films = _films(movies).join(links.frame, on=ITEM_ID, how="left", maintain_order="left")
    notes += ("tags.csv is left out: tags were given over time, and future ones would leak held-out ratings",)
    return _assemble("movielens_latest_small", folder, {"interactions": ratings, "items": movies}, films, None, notes)


def _unpacked(
    members: Sequence[str], cache: Path, url: str, sha256: str | None, archive: str | None, allow_private: bool, terms: str
) -> tuple[Path, tuple[str, ...]]:
    """The folder with the unpacked members, and a note if the hash is unknown."""
    if archive is None:
        path = download_pinned(url, cache / "downloads", sha256, "data.sha256", terms, MAX_BYTES, allow_private)
    else:
        path = user_path(archive)
        if not path.is_file():
            raise missing_file(path)
    found = sha256_file(path)
    target = cache / "archives" / f"{Path(members[0]).parent}-{found[:16]}"
    note = f"{path} has sha256 {found}, which differs from that of the known archive ({sha256})"
    return unpack_once(target, {"sha256": found}, members, lambda _: path, MAX_BYTES), () if found == sha256 else (note,)


def _films(movies: ReadTable) -> pl.DataFrame:
    """Separate the year from the title, and join genres by commas."""
    year = pl.col(_TITLE).str.extract(_ENDS_WITH_YEAR).alias(_YEAR)
    genres = pl.col(_GENRE).replace(_NO_GENRES, None).str.replace_all("|", ", ", literal=True)
    return movies.frame.with_columns(pl.col(_TITLE).str.replace(_ENDS_WITH_YEAR, ""), genres, year)


def _assemble(
    name: str, folder: Path, tables: Mapping[str, ReadTable], films: pl.DataFrame, users: pl.DataFrame | None, notes: tuple[str, ...]
) -> Dataset:
    interactions = tables["interactions"].frame
    items, unknown = complete_items(films, interactions)
    dataset = Dataset(
        name=name,
        root=folder,
        interactions=interactions,
        items=items,
        text_columns=(_TITLE, _GENRE, _YEAR),
        users=users,
        counts=row_counts(tables.items()),
        content_hash=hash_files(read.file.path for read in tables.values()),
        notes=notes + unknown,
    )
    return replace(dataset, queries=title_queries(dataset))
