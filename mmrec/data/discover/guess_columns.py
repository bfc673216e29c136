"""Guess which columns hold times, ratings, labels of impressions, events, pictures and texts, by their names and values."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from mmrec.data.discover.survey import Source, Survey
from mmrec.data.discover.synonyms import is_called, words_of
from mmrec.data.tables.aggregates import maximum, mean, minimum
from mmrec.data.tables.columns import Kind, ReadTable
from mmrec.data.tables.time_units import EARLIEST, LATEST, SHEET_DAYS, YEARS
from mmrec.errors import DataError
from mmrec.types import LABEL, POSITION, PROPENSITY, RATING, TIMESTAMP

SURE, LIKELY, DOUBTFUL = "sure", "likely", "please check"
_N_CHECKED = 1_000
_AMOUNTS = {"quantity", "qty", "count", "amount", "price", "cost", "total", "n", "menge", "anzahl", "preis", "betrag", "age", "year"}
_TITLES = {"title", "name", "titel", "bezeichnung", "label", "headline", "nom", "nombre"}
_LONG = 120
_ODD = {
    LABEL: "not one of the two values 0 and 1, or the other does not occur",
    POSITION: "not a whole number",
    PROPENSITY: "not a probability above 0",
}
"""What is wrong with a column that is named like one of ours."""


@dataclass(frozen=True)
class Guess:
    """A guessed value of a setting, with the reason."""

    key: str
    """The dotted key, as in `mmrec.yaml`."""
    value: str | list[str]
    confidence: str
    """`SURE`, `LIKELY` or `DOUBTFUL`."""
    reason: str


Found = tuple[Guess | None, str]
"""A guess, or None and the reason why a candidate was rejected; the reason is empty if there was no candidate."""


def guess_time(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column of times: one with such a name, or one whose values are all plausible times."""
    best: tuple[float, str, ReadTable | None] = (0.0, "", None)
    odd = ""
    read: ReadTable | None
    for column in free:
        called = is_called(column, TIMESTAMP)
        try:
            read = source.read(column, "seconds")
        except DataError:  # only zeros
            odd = f"`{column}` is named like a time, but all its values are 0" if called else odd
            continue
        values = read.frame["value"]
        share = int(values.is_between(EARLIEST, LATEST).sum()) / len(source)
        if not called and read.units["value"] in (YEARS, SHEET_DAYS):  # such numbers may as well be prices
            continue
        if (called and share >= 0.5) or (share >= 0.99 and values.n_unique() > 1):
            best = max(best, (share + called, column, read), key=lambda one: one[0])
        elif called and len(values) >= 0.95 * len(source):
            best = max(best, (0.1, column, read), key=lambda one: one[0])
        elif called:
            odd = f"`{column}` is named like a time, but `{_example(source, column)}` cannot be read: write 2024-12-31, or seconds"
    score, column, read = best
    if read is None:
        return None, odd
    if score < 0.5:
        return Guess(key, column, DOUBTFUL, "named like a time, but its numbers are too small to be seconds since 1970"), ""
    values = read.frame["value"].filter(read.frame["value"].is_between(EARLIEST, LATEST))
    span = " to ".join(f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}" for value in (minimum(values), maximum(values)))
    reason = f"{read.units['value'] or _kind(source.values(column))}, {span}" + (
        f"; {len(read.bad):,} cannot be read" if len(read.bad) else ""
    )
    return Guess(key, column, SURE if score > 1.95 else LIKELY, reason), ""


def _kind(values: pl.Series) -> str:
    """The description of times that are stored in seconds or as dates."""
    if values.dtype.is_temporal():
        return "times"
    return "ISO 8601" if values.dtype == pl.String and values.str.contains(r"\d-\d").any() else "seconds"


def guess_rating(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column of ratings: one with such a name, or one with few distinct numbers from 0 to 10."""
    odd = ""
    for called in (True, False):
        for column in (name for name in free if is_called(name, RATING) == called):
            values = source.read(column, "number").frame["value"].drop_nulls()
            span = f"{len(values.unique()):,} different numbers from {minimum(values):g} to {maximum(values):g}" if len(values) else ""
            if called and len(values) >= 0.5 * len(source):
                return Guess(key, column, SURE if len(values) >= 0.95 * len(source) else LIKELY, span), ""
            if called:
                odd = f"`{column}` is named like a rating, but `{_example(source, column)}` is not a number (write decimals with a point)"
            elif _looks_rated(values, len(source)) and not _AMOUNTS & set(words_of(column)):
                return Guess(key, column, DOUBTFUL, f"{span}, as ratings have"), ""
    return None, odd


def _looks_rated(values: pl.Series, n_rows: int) -> bool:
    return len(values) >= 0.95 * n_rows and minimum(values) >= 0 and maximum(values) <= 10 and 3 <= values.n_unique() <= 21


def guess_label(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column that says whether an item was clicked: one with such a name that holds both 0 and 1."""
    return _guess_called(source, free, key, LABEL, "binary", n_least=2)


def guess_position(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column of positions in a list: one with such a name that holds whole numbers."""
    return _guess_called(source, free, key, POSITION, "whole")


def guess_propensity(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column of the probabilities of being shown: one with such a name that holds probabilities above 0."""
    return _guess_called(source, free, key, PROPENSITY, "share")


def _guess_called(source: Source, free: Iterable[str], key: str, ours: str, kind: Kind, n_least: int = 1) -> Found:
    """Guess a column by its name, if at least 95% of its values are of a kind; `n_least` different values are required."""
    odd = ""
    for column in (name for name in free if is_called(name, ours)):
        values = source.read(column, kind).frame["value"].drop_nulls()
        if len(values) >= 0.95 * len(source) and values.n_unique() >= n_least:
            return Guess(key, column, SURE, f"{values.n_unique():,} different values from {minimum(values):g} to {maximum(values):g}"), ""
        odd = f"`{column}` is named like a {ours}, but `{_example(source, column)}` is {_ODD[ours]}"
    return None, odd


def guess_event(source: Source, free: Iterable[str], key: str) -> Found:
    """Guess the column with the kind of event."""
    for column in free:
        kinds = source.values(column).drop_nulls().unique()
        if is_called(column, "event") and kinds.dtype == pl.String and 0 < len(kinds) <= 50:
            return Guess(key, column, SURE, f"{', '.join(kinds.sort().head(3))}{', …' if len(kinds) > 3 else ''}"), ""
    return None, ""


def guess_pictures(survey: Survey, source: Source | None, free: Iterable[str], item_ids: pl.Series) -> Found:
    """Guess where the pictures are: a column of paths, or files named by item ids or by another column."""
    columns = {name: values.head(_N_CHECKED) for name in free if source is not None and len(values := _texts(source.values(name)))}
    here = set(survey.pictures)
    for column, values in columns.items():
        there = sum(os.path.normpath(value) in here for value in values)
        if there >= 0.5 * len(values):
            return Guess("image_column", column, SURE if there == len(values) else LIKELY, f"{there} of {len(values)} are files here"), ""
    paths = [survey.stems[item] for item in item_ids if item in survey.stems]
    if paths and (len(paths) >= 0.5 * len(here) or len(paths) >= 0.5 * len(item_ids)):
        reason = f"{len(paths):,} of {len(here):,} pictures are named by an item id"
        return Guess("image_column", f"{_place(paths)}{{item_id}}.*", SURE if len(paths) > 1 else LIKELY, reason), ""
    names = {Path(path).name: path for path in survey.pictures}
    for column, values in columns.items():
        for found, tail in ((names, ""), (survey.stems, ".*")):
            paths = [found[value] for value in values if value in found]
            if len(set(paths)) >= 0.5 * len(values):
                reason = f"{len(paths)} of {len(values)} are names of pictures"
                return Guess("image_column", f"{_place(paths)}{{{column}}}{tail}", LIKELY, reason), ""
    for column, values in columns.items():
        if is_called(column, "image"):
            return (
                None,
                f"`{column}` is named like a picture, but `{values[0][:80]}` is not a file here: save the pictures and give their paths",
            )
    return None, f"none of the {len(here):,} pictures is called by an item" if here else ""


def _place(paths: Collection[str]) -> str:
    """The common folder of pictures with a trailing slash, and `**` if they are in several subfolders."""
    parents = {os.path.dirname(path) for path in paths}
    top = os.path.commonpath([parent or "." for parent in parents]) if "" not in parents else ""
    return "/".join([part for part in (top, "**" if len(parents) > 1 else "") if part] + [""])


def guess_texts(source: Source, free: Iterable[str]) -> Found:
    """Guess the text columns of items, title first: those with words rather than codes, addresses or times."""
    found = {}
    for column in free:
        values = _texts(source.values(column))
        if len(values) < 0.05 * len(source) or values.is_empty():
            continue
        is_code = values.str.contains(r"^\S*\d\S*$") | values.str.contains(r"^(https?://|www\.|data:)|^\d{4}-\d\d-\d\d")
        is_text = values.str.contains(r"\p{L}\p{L}") & ~is_code
        if mean(is_text) >= 0.5 and (values.n_unique() > 1 or len(source) < 3):
            found[column] = (mean(values.str.len_chars()), values.n_unique() / len(source))
    if not found:
        return None, "no column of the items holds text" if source.columns[1:] else ""
    called = [column for column in found if _TITLES & set(words_of(column))]
    titles = called or sorted((column for column in found if found[column][0] <= _LONG), key=lambda column: -found[column][1])[:1]
    ordered = [*titles, *(column for column in found if column not in titles)]
    shown = "; ".join(f"`{name}` {found[name][0]:.0f} letters long, {min(found[name][1], 1):.0%} distinct" for name in ordered[:4])
    return Guess("text_columns", ordered, SURE if called else LIKELY, shown + ("; …" if len(ordered) > 4 else "")), ""


def _texts(values: pl.Series) -> pl.Series:
    """The nonempty texts, with lists joined."""
    if values.dtype == pl.List(pl.String):
        values = values.list.join(", ", ignore_nulls=True)
    texts = values.drop_nulls() if values.dtype == pl.String else pl.Series([], dtype=pl.String)
    return texts.filter(texts.str.strip_chars() != "")


def _example(source: Source, column: str) -> str:
    return re.sub(r"\s+", " ", str(source.values(column).drop_nulls().first()))[:40]
