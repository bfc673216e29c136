"""Guess which file of a folder is which table, and which column is which, with a reason and a confidence.

Evidence are the names of files and columns (`mmrec.data.discover.synonyms`) and their content: ids shared by two files join them, and a
column of distinct ids is the key of its table. Guesses are to be confirmed by the user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import polars as pl

from mmrec.data.discover.guess_columns import (
    DOUBTFUL,
    LIKELY,
    SURE,
    Guess,
    guess_event,
    guess_label,
    guess_pictures,
    guess_position,
    guess_propensity,
    guess_rating,
    guess_texts,
    guess_time,
)
from mmrec.data.discover.survey import Source, Survey
from mmrec.data.discover.synonyms import FILE_WORDS, WORDS, is_called, is_file_of
from mmrec.errors import DataError
from mmrec.types import ENTITY, HEAD, ITEM_ID, LABEL, POSITION, PROPENSITY, QUERY, RATING, RELATION, TAIL, TIMESTAMP, USER_ID

_TRIPLE = (HEAD, RELATION, TAIL)
_KEY = 0.9
"""The fraction of distinct ids from which on a column counts as a key."""


@dataclass(frozen=True)
class Guesses:
    """The guessed settings of a folder."""

    found: tuple[Guess, ...]
    missing: tuple[str, ...]
    """What was not found, one sentence each."""
    unused: tuple[str, ...]
    """Files that cannot be used."""
    odd: tuple[str, ...] = ()
    """Remarks for the user, one sentence each."""


class _Table(NamedTuple):
    """A table that was identified."""

    source: Source
    columns: dict[str, str]
    """Our column names to theirs."""
    confidence: str
    reason: str


def guess_settings(survey: Survey) -> Guesses:
    """Identify the tables of a folder. Raises DataError, with a list of all files, if none could be the interactions."""
    tables: dict[str, _Table] = {}
    rest = list(survey.sources)
    _take(tables, rest, "triples", _named_triples([source for source in rest if not source.parts]))
    queries = _queries(rest)
    if queries is not None:
        rest.remove(queries.source)
    _take(tables, rest, "interactions", _interactions(rest))
    if "interactions" not in tables:
        raise DataError(_nothing_found(survey))
    if queries is not None:
        tables["queries"] = queries
    in_parts = [source for source in rest if source.parts]  # other tables cannot be given in parts
    rest = [source for source in rest if not source.parts]
    if "triples" in tables:
        _take(tables, rest, "item_entities", _links(rest, _item_ids(tables), _entities(tables["triples"]), named=True))
    for table, found in _keyed(rest, tables["interactions"]):
        _take(tables, rest, table, found)
    item_ids = _item_ids(tables)
    if "triples" not in tables:
        _take(tables, rest, "triples", _unnamed_triples(rest, item_ids))
    if "triples" in tables and "item_entities" not in tables:
        _take(tables, rest, "item_entities", _links(rest, item_ids, _entities(tables["triples"]), named=False))
    guesses: list[Guess] = []
    missing = list(_missing_tables(tables, item_ids))
    for table, found in tables.items():
        guesses += _table_guesses(table, found)
    for guess, odd in _content(survey, tables, item_ids):
        guesses += [guess] if guess else []
        missing += [odd] if odd else []
    order = ["tables", *(f"columns.{table}" for table in FILE_WORDS), "text_columns", "image_column"]
    guesses.sort(key=lambda guess: next(place for place, key in enumerate(order) if f"{guess.key}.".startswith(f"{key}.")))
    return Guesses(tuple(guesses), tuple(missing), (*(source.name for source in [*in_parts, *rest]), *survey.others), survey.apart)


def _take(tables: dict[str, _Table], rest: list[Source], name: str, found: _Table | None) -> None:
    if found is not None:
        tables[name] = found
        rest.remove(found.source)


def _named_triples(sources: Sequence[Source]) -> _Table | None:
    for source in sources:
        called = ((ours, next((name for name in source.columns if is_called(name, ours)), None)) for ours in _TRIPLE)
        named = {ours: name for ours, name in called if name is not None}
        if len(set(named.values())) == 3 and not any(is_called(name, USER_ID) for name in source.columns):
            return _Table(source, named, SURE, "its columns are named like those of triples")
    return None


def _queries(sources: Sequence[Source]) -> _Table | None:
    """Find search queries with the items that were clicked: by the name of the file and of both columns."""
    for source in sources:
        called = ((ours, next((name for name in source.columns if is_called(name, ours)), None)) for ours in (QUERY, ITEM_ID, USER_ID))
        named = {ours: name for ours, name in called if name is not None}
        if is_file_of(source.name, "queries") and not source.parts and {QUERY, ITEM_ID} <= named.keys():
            return _Table(source, named, SURE, "queries and items, side by side")
    return None


def _unnamed_triples(sources: Sequence[Source], item_ids: pl.Series) -> _Table | None:
    """Find triples by content: three columns of ids, one with few distinct values, another with item ids."""
    for source in sources:
        columns = [name for name in source.columns if len(source.ids(name))]
        if len(columns) != 3 or len(source.columns) != 3:
            continue
        relation = min(columns, key=lambda name: len(source.ids(name)))
        head, tail = (name for name in columns if name != relation)
        called = is_file_of(source.name, "triples")
        if source.distinctness(relation) <= 0.5 and (called or _share(source.ids(head), item_ids) > 0.2):
            reason = f"`{relation}` has few values, as relations have" + (", and by the name of the file" if called else "")
            return _Table(source, {HEAD: head, RELATION: relation, TAIL: tail}, LIKELY if called else DOUBTFUL, reason)
    return None


def _interactions(sources: Sequence[Source]) -> _Table | None:
    """Find the table and the two columns that most likely are the users and items of interactions."""
    best, found = 0.0, None
    for source in sources:
        references = {name: _reference(source, name, sources) for name in source.columns if len(source.ids(name))}
        about = sum(worth * any(is_called(name, ours) for name in source.columns) for ours, worth in ((TIMESTAMP, 0.5), (RATING, 0.3)))
        about += is_file_of(source.name, "interactions") + 0.5 * bool(source.parts)
        about -= 0.5 * is_file_of(source.name, "items") + is_file_of(source.name, "users")
        for user, item in permutations(references, 2):
            called = is_called(user, USER_ID), is_called(item, ITEM_ID)
            if not all(called) and max(source.distinctness(user), source.distinctness(item)) > _KEY:
                continue
            score = 1.0 + _likeness(user, USER_ID, references[user]) + _likeness(item, ITEM_ID, references[item]) + about
            if score > best + 1e-9 or (found and score > best - 1e-9 and len(source) > len(found.source)):
                joined = references[user][1] > 0.5, references[item][1] > 0.5
                sure = SURE if all(called) else LIKELY if any(called) and any(joined) else DOUBTFUL
                best, found = score, _Table(source, {USER_ID: user, ITEM_ID: item}, sure, "users and items, side by side")
    return found


def _likeness(name: str, ours: str, reference: tuple[Source | None, float]) -> float:
    """A score of how likely a column of the interactions holds user ids, or item ids."""
    other, table = (ITEM_ID, "users") if ours == USER_ID else (USER_ID, "items")
    score = 2.0 * is_called(name, ours) - 2.0 * any(is_called(name, one) for one in (other, TIMESTAMP, RATING, "event"))
    target, share = reference
    if target is not None:
        against = "items" if table == "users" else "users"
        score += share * (1 + is_file_of(target.name, table) - 2 * is_file_of(target.name, against))
    return score


def _reference(source: Source, name: str, sources: Sequence[Source]) -> tuple[Source | None, float]:
    """The table whose key shares most ids with a column, and the Dice coefficient."""
    best: tuple[Source | None, float] = None, 0.0
    ids = source.ids(name)
    for other in sources:
        for key in other.columns if other is not source else ():
            theirs = other.ids(key)
            if len(theirs) and other.distinctness(key) >= _KEY:
                share = 2 * int(ids.is_in(theirs.implode()).sum()) / (len(ids) + len(theirs))
                best = max(best, (other, share), key=lambda one: one[1])
    return best


def _keyed(sources: Sequence[Source], interactions: _Table) -> Iterator[tuple[str, _Table]]:
    """Find the tables of items and users, most likely first: those with a key that contains the ids in the interactions."""
    candidates = []
    for table, ours, other in (("items", ITEM_ID, USER_ID), ("users", USER_ID, ITEM_ID)):
        wanted, against = interactions.source.ids(interactions.columns[ours]), "users" if table == "items" else "items"
        for source in sources:
            for key in source.columns:
                if source.distinctness(key) < _KEY or is_called(key, other):
                    continue
                share, called, filed = _share(wanted, source.ids(key)), is_called(key, ours), is_file_of(source.name, table)
                score = 2 * share + called + filed - 2 * is_file_of(source.name, against) - is_file_of(source.name, "item_entities")
                if score >= 1 and (share >= 0.1 or (called and filed)):
                    sure = SURE if share >= 0.5 and (called or filed) else LIKELY if share >= 0.5 else DOUBTFUL
                    reason = f"its `{key}` has {share:.0%} of the {table} in the interactions"
                    candidates.append((score, table, _Table(source, {ours: key}, sure, reason)))
    taken: list[object] = []
    for _, table, found in sorted(candidates, key=lambda one: -one[0]):
        if table not in taken and not any(found.source is one for one in taken):
            taken += [table, found.source]
            yield table, found


def _links(sources: Sequence[Source], item_ids: pl.Series, entities: pl.Series, named: bool) -> _Table | None:
    """Find the table of items and their entities; if `named`, only one whose file or column name says so."""
    for source in sources:
        for item, entity in permutations(source.columns, 2):
            called, linked = is_called(entity, ENTITY) or is_file_of(source.name, "item_entities"), _share(source.ids(entity), entities)
            if len(source.columns) > 3 or (named and not called) or linked < 0.2 or source.distinctness(item) < _KEY:
                continue
            if _share(source.ids(item), item_ids) >= 0.5:
                reason = f"{linked:.0%} of its `{entity}` are entities of the triples"
                return _Table(source, {ITEM_ID: item, ENTITY: entity}, SURE if called else LIKELY, reason)
    return None


def _table_guesses(table: str, found: _Table) -> Iterator[Guess]:
    """The guesses for a table, then for its columns."""
    files = f"; {found.source.n_files} files with the same columns" if found.source.n_files > 1 else ""
    reason = "; ".join([found.reason + files, *found.source.notes])
    if not found.source.parts:
        yield Guess(f"tables.{table}", found.source.name, found.confidence, reason)
    for part, name in found.source.parts.items():
        yield Guess(f"tables.{table}.{part}", name, found.confidence, f"{reason}; the {part} part by its name")
    for ours, name in found.columns.items():
        called = is_called(name, ours)
        sure = SURE if called and found.confidence != DOUBTFUL else found.confidence
        reason = f"named like {_called(ours)}" if called else f"by its values: {len(found.source.ids(name)):,} different ids"
        yield Guess(f"columns.{table}.{ours}", name, sure, reason)


def _called(ours: str) -> str:
    return {USER_ID: "users", ITEM_ID: "items", ENTITY: "entities", QUERY: "queries"}.get(ours, f"the {ours} of triples")


def _content(survey: Survey, tables: dict[str, _Table], item_ids: pl.Series) -> Iterator[tuple[Guess | None, str]]:
    """The guesses for times, labels, ratings and events of the interactions, and for texts and pictures of the items."""
    events = tables["interactions"].source
    free = [name for name in events.columns if name not in tables["interactions"].columns.values()]
    of_impressions = ((guess_label, LABEL), (guess_position, POSITION), (guess_propensity, PROPENSITY))
    for guess, ours in ((guess_time, TIMESTAMP), *of_impressions, (guess_rating, RATING), (guess_event, "event")):
        found, odd = guess(events, free, f"columns.interactions.{ours}")
        free = [name for name in free if found is None or name != found.value]
        yield found, odd or (f"no {ours} in {events.name}" if found is None and ours == TIMESTAMP else "")
    items = tables["items"].source if "items" in tables else None
    free = [name for name in items.columns if name != tables["items"].columns[ITEM_ID]] if items else []
    picture, odd = guess_pictures(survey, items, free, item_ids)
    yield picture, odd
    if items:
        yield guess_texts(items, [name for name in free if picture is None or name not in (picture.value, *_fields(str(picture.value)))])


def _fields(pattern: str) -> tuple[str, ...]:
    """The column name in the braces of a picture pattern."""
    return (pattern.partition("{")[2].partition("}")[0],)


def _missing_tables(tables: dict[str, _Table], item_ids: pl.Series) -> Iterator[str]:
    reasons = {"items": "without texts and pictures of items", "users": "optional", "triples": "optional: no knowledge graph"}
    yield from (f"no table of {table} ({reason})" for table, reason in reasons.items() if table not in tables)
    if "triples" in tables and "item_entities" not in tables and not _share(item_ids, _entities(tables["triples"])):
        yield "no item is in the triples under its own id: a table item_entities (item_id, entity) has to say which entity each is"


def _item_ids(tables: dict[str, _Table]) -> pl.Series:
    found = [table.source.ids(table.columns[ITEM_ID]) for name, table in tables.items() if ITEM_ID in table.columns and name != "queries"]
    return pl.concat(found).unique(maintain_order=True)


def _entities(triples: _Table) -> pl.Series:
    return pl.concat([triples.source.ids(triples.columns[ours]) for ours in (HEAD, TAIL)]).unique()


def _share(ids: pl.Series, among: pl.Series) -> float:
    """The fraction of ids that occur in `among`, 0 to 1."""
    return int(ids.is_in(among.implode()).sum()) / len(ids) if len(ids) else 0.0


def _nothing_found(survey: Survey) -> str:
    seen = [f"  {source.name}: {', '.join(f'`{name}`' for name in source.columns[:12])}" for source in survey.sources]
    seen += [f"  {name}" for name in survey.others[:20]]
    likes = " or ".join(f"`{word}`" for word in WORDS[USER_ID].split()[:3])
    wanted = f"expected a table of user-item interactions with columns such as {likes}, and `item` or `sku`"
    return f"{survey.folder}: {wanted}; " + ("found\n" + "\n".join(seen) if seen else "the folder has no files")
