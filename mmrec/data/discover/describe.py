"""Summarise a dataset: size, density, time span, concentration of interactions, coverage of modalities, and example items."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl
from jaxtyping import Int64

from mmrec.data.features.texts import item_texts
from mmrec.data.pictures.read import read_pictures
from mmrec.data.tables.aggregates import maximum, minimum
from mmrec.data.tables.literals import split_literals
from mmrec.types import ENTITY, HEAD, ITEM_ID, KG, RATING, RELATION, TAIL, TIMESTAMP, USER_ID, Dataset

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.99, 1.0)
MAX_RATING_BARS = 20
N_TRIPLES, N_IDS = 5, 5
_DAY = 86_400
_PERIODS = ((90 * _DAY, "day", "1d"), (2 * 365 * _DAY, "week", "1w"), (15 * 365 * _DAY, "month", "1mo"))
Counts = list[tuple[str, int]]
"""The bars of a chart: labels and counts."""


@dataclass(frozen=True)
class Spread:
    """The distribution of the number of interactions per user or per item."""

    mean: float
    quantiles: dict[float, float]
    """By `QUANTILES`, with linear interpolation."""
    gini: float | None
    """0 if all have equally many, 1 if one has all (see `mmrec.metrics.beyond_accuracy.gini`); None for fewer than two."""
    at_least: list[tuple[int, int]]
    """For every positive number of interactions that occurs: how many have at least as many."""


@dataclass(frozen=True)
class Coverage:
    """The number of items that have a modality."""

    modality: str
    n_items: int
    detail: str = ""


@dataclass(frozen=True)
class Example:
    """One item with its content."""

    item_id: str
    n_interactions: int
    title: str
    text: str
    triples: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Description:
    """The summary of a dataset."""

    name: str
    n_interactions: int
    n_users: int
    """Users with interactions."""
    n_items: int
    """All items, with or without interactions."""
    n_items_seen: int
    n_pairs: int
    """Distinct (user, item) pairs."""
    n_same_rows: int
    """Rows that equal an earlier one in every column."""
    per_user: Spread
    per_item: Spread
    """Over all items, including those without interactions."""
    span: tuple[str, str] | None
    """The first and the last time, UTC."""
    period: str
    """The period of a bar in `over_time`: day, week, month or year."""
    over_time: Counts
    ratings: Counts
    events: Counts
    coverage: list[Coverage]
    examples: list[Example]
    user_ids: list[str]
    item_ids: list[str]
    notes: tuple[str, ...]

    @property
    def density(self) -> float:
        """The fraction of all (user, item) pairs that occur."""
        return self.n_pairs / (self.n_users * self.n_items)


def describe(dataset: Dataset, n_examples: int) -> Description:
    """Summarise a dataset, with `n_examples` items, evenly spaced in the order of their number of interactions."""
    events, items = dataset.interactions, dataset.items
    per_user = events.group_by(USER_ID).len()["len"].to_numpy().astype(np.int64)
    degree = items.select(ITEM_ID).join(events.group_by(ITEM_ID).len(), on=ITEM_ID, how="left", maintain_order="left")["len"].fill_null(0)
    per_item = degree.to_numpy().astype(np.int64)
    span, period, over_time = _times(events)
    return Description(
        name=dataset.name,
        n_interactions=len(events),
        n_users=len(per_user),
        n_items=len(items),
        n_items_seen=int((per_item > 0).sum()),
        n_pairs=events.select(USER_ID, ITEM_ID).n_unique(),
        n_same_rows=len(events) - events.n_unique(),
        per_user=spread(per_user),
        per_item=spread(per_item),
        span=span,
        period=period,
        over_time=over_time,
        ratings=_ratings(events),
        events=list(events["event"].drop_nulls().value_counts(sort=True).iter_rows())[:20] if "event" in events.columns else [],
        coverage=_coverage(dataset),
        examples=_examples(dataset, per_item, n_examples),
        user_ids=events[USER_ID].unique(maintain_order=True).head(N_IDS).to_list(),
        item_ids=items[ITEM_ID].head(N_IDS).to_list(),
        notes=(*(str(count) for count in dataset.counts), *dataset.notes),
    )


def spread(degree: Int64[np.ndarray, " n"]) -> Spread:
    """The distribution of interactions over users or items; `degree` is the number of each.

    >>> spread(np.array([3, 1, 0])).at_least
    [(1, 2), (3, 1)]
    """
    ordered, n = np.sort(degree), len(degree)
    weights = 2 * np.arange(1, n + 1) - n - 1
    values, counts = np.unique(ordered[ordered > 0], return_counts=True)
    return Spread(
        mean=float(ordered.mean()),
        quantiles={q: float(np.quantile(ordered, q)) for q in QUANTILES},
        gini=float(weights @ ordered / ordered.sum() / (n - 1)) if n > 1 else None,
        at_least=list(zip(values.tolist(), counts[::-1].cumsum()[::-1].tolist(), strict=True)),
    )


def _times(events: pl.DataFrame) -> tuple[tuple[str, str] | None, str, Counts]:
    """The first and last time, the period of a bar, and the interactions of every period between them, including empty ones."""
    if TIMESTAMP not in events.columns:
        return None, "", []
    first, last = minimum(events[TIMESTAMP]), maximum(events[TIMESTAMP])
    period, every = next(((name, every) for longest, name, every in _PERIODS if last - first <= longest), ("year", "1y"))
    exact = pl.from_epoch(events[TIMESTAMP], time_unit="s")
    times = exact.dt.truncate(every)
    start, end = cast("datetime", times.min()), cast("datetime", times.max())
    bars = pl.datetime_range(start, end, every, eager=True).alias("time").to_frame()
    counts = bars.join(times.alias("time").value_counts(name="n"), on="time", how="left", maintain_order="left").fill_null(0)
    label = {"year": "%Y", "month": "%Y-%m"}.get(period, "%Y-%m-%d")
    span = pl.Series([exact.min(), exact.max()]).dt.strftime("%Y-%m-%d %H:%M:%S")
    return (span[0], span[1]), period, list(zip(counts["time"].dt.strftime(label), counts["n"], strict=True))


def _ratings(events: pl.DataFrame) -> Counts:
    """A bar for every distinct rating, or a histogram if there are too many."""
    values = events[RATING].drop_nulls().to_numpy() if RATING in events.columns else np.zeros(0)
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= MAX_RATING_BARS:
        return [(f"{value:g}", int(count)) for value, count in zip(different, counts, strict=True)]
    counts, edges = np.histogram(values, MAX_RATING_BARS)
    return [(f"{low:.3g}", int(count)) for low, count in zip(edges, counts, strict=False)]


def _coverage(dataset: Dataset) -> list[Coverage]:
    """For each modality of the dataset, the number of items that have it."""
    items, found = dataset.items, []
    for modality, raw in dataset.inputs.items():
        if raw.text_columns:
            lengths = [len(text.decode()) for text in item_texts(items, raw.text_columns) if text is not None]
            typical = f"{np.median(lengths):g} letters in the median, " if lengths else ""
            found.append(Coverage(modality, len(lengths), typical + "of " + ", ".join(raw.text_columns)))
        elif raw.image_column is not None:
            named = items[raw.image_column].cast(pl.String).fill_null("") != ""
            _, problems = read_pictures(replace(dataset, image_column=raw.image_column), items[ITEM_ID])
            lost = f", files missing: {len(problems):,}" if problems else ""
            found.append(Coverage(modality, int(named.sum()) - len(problems), f"named by {raw.image_column}{lost}"))
    if dataset.triples is not None:
        facts, literals = split_literals(dataset.triples)
        inside = pl.concat([dataset.triples[HEAD], facts[TAIL]]).unique()
        linked = _entities(dataset)[ENTITY].is_in(inside.implode()).sum()
        detail = f"{len(facts):,} triples, {len(inside):,} entities, {facts[RELATION].n_unique():,} relations"
        detail += f", {len(literals):,} literals" if literals else ""
        found.append(Coverage(KG, int(linked), detail))
    for modality, vectors in dataset.vectors.items():
        known = vectors.item_ids.is_in(items[ITEM_ID].implode()).sum()
        found.append(Coverage(modality, int(known), f"vectors of {vectors.values.shape[1]} numbers, {vectors.source}"))
    return found


def _entities(dataset: Dataset) -> pl.DataFrame:
    """The table `item_id, entity` of all items with an entity."""
    if dataset.item_entities is None:
        return dataset.items.select(ITEM_ID, pl.col(ITEM_ID).alias(ENTITY))
    return dataset.item_entities


def _examples(dataset: Dataset, degree: Int64[np.ndarray, " n_items"], n_examples: int) -> list[Example]:
    by_degree = np.argsort(-degree, kind="stable")
    rows = np.unique(np.linspace(0, len(degree) - 1, min(n_examples, len(degree))).round().astype(int))
    chosen = by_degree[rows].tolist()
    items = dataset.items[chosen]
    texts = item_texts(items, dataset.text_columns) if dataset.text_columns else [None] * len(items)
    titles = items[dataset.text_columns[0]] if dataset.text_columns else items[ITEM_ID]
    entity_of = dict(_entities(dataset).filter(pl.col(ITEM_ID).is_in(items[ITEM_ID].implode())).select(ITEM_ID, ENTITY).iter_rows())
    return [
        Example(item, int(degree[row]), str(title or "").strip() or item, (text or b"").decode(), _triples(dataset, entity_of.get(item)))
        for row, item, title, text in zip(chosen, items[ITEM_ID], titles, texts, strict=True)
    ]


def _triples(dataset: Dataset, entity: str | None) -> list[tuple[str, str, str]]:
    if dataset.triples is None or entity is None:
        return []
    about = dataset.triples.filter((pl.col(HEAD) == entity) | (pl.col(TAIL) == entity))
    return list(about.select(HEAD, RELATION, TAIL).head(N_TRIPLES).iter_rows())
