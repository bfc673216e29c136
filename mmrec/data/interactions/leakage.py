"""Detect leakage from the future: triples that became known after the test period began, and columns aggregated over all time.

Future facts, or the number of ratings that an item will have received, reveal held-out rows. Future triples can be removed if the split
cuts all rows at one time; aggregated columns can only be reported.
"""

import re
from collections.abc import Sequence
from typing import cast

import polars as pl

from mmrec.data.interactions.split import Split
from mmrec.types import RELATION, TIMESTAMP

_COUNTED = "ratings?|reviews?|votes?|sales|sold|purchases?|orders?|views?|clicks?|plays?|likes?|favou?rites?|downloads?|listeners?|users"
_OVER_ALL_TIME = re.compile(
    "popularity|bestseller(_rank)?|(sales|popularity)_?rank|bought_together|frequently_bought_together|buy_after_viewing|"
    "also_(buy|bought|view|viewed|like|liked)|similar_item|"
    f"(n|num|number_of|no_of|total|count_of|average|avg|mean|sum)_({_COUNTED})|({_COUNTED})_(number|count|counts|total|average|avg|mean|sum)"
)
_IF_NUMERIC = re.compile(f"{_COUNTED}|rank|score|stars|popular")


def drop_future_triples(triples: pl.DataFrame, split: Split) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Remove the triples that became known at or after the first held-out interaction, and report them; triples without a time stay.

    All triples stay, with a note, if the split does not cut all rows at one time (only `global_time` guarantees it): a triple that is later
    than one held-out row may then be earlier than some training rows.
    """
    if TIMESTAMP not in triples.columns or triples[TIMESTAMP].null_count() == len(triples):
        return triples, ()
    if TIMESTAMP not in split.train.columns:
        return triples, ("triples have times and interactions have none: future triples cannot be left out",)
    first_held_out = cast("int | None", pl.concat([split.valid[TIMESTAMP], split.test[TIMESTAMP]]).min())
    if first_held_out is None:
        return triples, ()
    late = (triples[TIMESTAMP] >= first_held_out).fill_null(False)
    if not late.any():
        return triples, ()
    found = f"{late.sum():,} of {len(triples):,} triples became known when the first held-out interaction, at {first_held_out}, or later"
    if (split.train[TIMESTAMP] < first_held_out).all():
        return triples.filter(~late), (f"{found}: they were left out",)
    return triples, (f"{found}: split {split.name} does not cut all rows at one time, so they are kept, and may leak held-out rows",)


def flag_columns(items: pl.DataFrame, columns: Sequence[str], key: str) -> tuple[str, ...]:
    """A note for each of these item columns that looks aggregated over all time; `key` is the setting that lists the columns."""
    return tuple(
        f"the items' column `{name}` looks as if it were counted over all time, including held-out rows; if so, leave it out of {key}"
        for name in columns
        if _is_over_all_time(name) or (name in items.columns and items.schema[name].is_numeric() and _IF_NUMERIC.fullmatch(_words(name)))
    )


def flag_relations(triples: pl.DataFrame) -> tuple[str, ...]:
    """A note for each relation that looks aggregated over all time, judged by the last part of an IRI."""
    counts = triples[RELATION].value_counts(sort=False).sort(RELATION)
    return tuple(
        f"the relation `{name}` looks as if it were counted over all time, including held-out rows; if so, leave its {n:,} triples out"
        for name, n in counts.iter_rows()
        if _is_over_all_time(re.split("[/#:]", name)[-1])
    )


def _is_over_all_time(name: str) -> bool:
    return _OVER_ALL_TIME.fullmatch(_words(name)) is not None


def _words(name: str) -> str:
    """Convert to snake case: `averageRating` and `Average rating` become `average_rating`."""
    return re.sub("[^a-z0-9]+", "_", re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
