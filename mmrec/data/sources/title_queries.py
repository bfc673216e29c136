"""Search queries made from a catalogue that comes without any: words of titles, genres and plots, with spelling errors and synonyms."""

import re

import numpy as np
import polars as pl

from mmrec.data.sources.misspell import misspell
from mmrec.types import ITEM_ID, QUERY, Dataset

PER_ITEM = 5
MISSPELLED_SHARE, SYNONYM_SHARE = 0.25, 0.4
SEED = 20
STOP_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "he", "her", "his", "in", "into", "is", "it", "of", "on", "s", "she", "the", "to")
)
SYNONYMS = {
    "action": ("fights", "explosive"),
    "adventure": ("quest", "expedition"),
    "animation": ("cartoon", "animated"),
    "children's": ("kids", "family"),
    "comedy": ("funny", "humor"),
    "crime": ("gangster", "mafia"),
    "documentary": ("nonfiction", "true story"),
    "drama": ("serious", "moving"),
    "fantasy": ("magic", "fairy tale"),
    "film-noir": ("noir", "detective"),
    "horror": ("scary", "creepy"),
    "musical": ("songs", "singing"),
    "mystery": ("whodunit", "puzzle"),
    "romance": ("love story", "romantic"),
    "sci-fi": ("science fiction", "space"),
    "thriller": ("suspense", "tense"),
    "war": ("battle", "soldiers"),
    "western": ("cowboy", "wild west"),
}
_WORD = re.compile(r"[^\W_]+")


def title_queries(dataset: Dataset, genre: str = "genre", year: str = "release_year", plot: str = "plot", seed: int = SEED) -> pl.DataFrame:
    """Make up `PER_ITEM` queries for each item by which a person could look for it.

    A query has one to three words of the title, and often a genre, by its name or a synonym, the year, or a word of the plot, if the items
    have such columns. Some are misspelled.

    Returns:
        `query, item_id, spelling, wording`; `spelling` is `correct` or `misspelled`, and `wording` is `named` or `synonym`.
    """
    rng, rows = np.random.default_rng(seed), []
    columns = [name if name in dataset.items.columns else None for name in (dataset.text_columns[0], genre, year, plot)]
    for row in dataset.items.sort(ITEM_ID).iter_rows(named=True):
        title, genres, years, plots = (str(row[name] or "") if name else "" for name in columns)
        words, of_plot = _content_words(title), _content_words(plots)
        for _ in range(PER_ITEM):
            text, wording = _write(words, genres.lower().split(", ") if genres else [], years, of_plot, rng)
            if text:
                wrong = misspell(text, rng) if rng.random() < MISSPELLED_SHARE else text
                rows.append((wrong, row[ITEM_ID], "correct" if wrong == text else "misspelled", wording))
    return pl.DataFrame(rows, schema=dict.fromkeys((QUERY, ITEM_ID, "spelling", "wording"), pl.String), orient="row")


def _write(words: list[str], genres: list[str], year: str, plot: list[str], rng: np.random.Generator) -> tuple[str, str]:
    """The text of a query, and whether it names things as the catalogue does or by a synonym."""
    n = min(len(words), int(rng.integers(1, 4)))
    start = int(rng.integers(len(words) - n + 1))
    parts, wording, draw = words[start : start + n], "named", rng.random()
    if genres and draw < 0.5:
        one = genres[rng.integers(len(genres))]
        if one in SYNONYMS and rng.random() < SYNONYM_SHARE:
            one, wording = str(rng.choice(SYNONYMS[one])), "synonym"
        parts = [*parts, one]
    elif plot and draw < 0.8:
        parts = [*parts, *(str(word) for word in rng.choice(plot, size=min(2, len(plot)), replace=False))]
    elif year and draw >= 0.8:
        parts = [*parts, year]
    return " ".join(parts), wording


def _content_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS]
