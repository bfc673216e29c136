"""Detect literals among the tails of triples, and parse their numeric values."""

from typing import NamedTuple

import polars as pl

from mmrec.types import DATATYPE, HEAD, RELATION, TAIL

NUMBER = "number"
"""The datatype of literals that are detected by their value."""
_YEARS = (1000, 2100)
_WHOLE, _CODE = r"^[+-]?\d+$", r"^[+-]?0\d"
_N_NAMED = 5


class Literal(NamedTuple):
    """An attribute of an entity: a triple whose tail is a literal."""

    entity: str
    relation: str
    value: str
    datatype: str
    """For example the IRI of an XML Schema datatype. Whether a literal is numeric is decided by its value."""


def split_literals(triples: pl.DataFrame) -> tuple[pl.DataFrame, list[Literal]]:
    """Separate triples between entities, `head, relation, tail`, from literals, which are sorted.

    A tail that `datatype` marks as a literal is one if all marked tails of its relation are numbers, dates or Booleans, or if no other
    entity has it. A marked tail that several entities share also connects them: a text, such as a genre, becomes an entity instead of a
    literal; a number becomes both, with the relation as a prefix, `year:1995`. (With years as numeric features alone, kernel ridge
    regression from genres and years ranks new films of MovieLens-100K 14% worse in ndcg@20, mean over eight splits; with decades beside
    them, 6% worse.)
    """
    facts = triples.select(HEAD, RELATION, TAIL)
    if DATATYPE not in triples.columns:
        return facts, []
    marked = pl.col(DATATYPE).is_not_null()
    is_numeric = marked & (number_of(TAIL).is_not_null() | ~marked).all().over(RELATION)
    is_shared = pl.col(HEAD).n_unique().over(RELATION, TAIL) > 1
    numeric, shared, literal = triples.select(is_numeric.alias("n"), is_shared.alias("s"), (marked & (is_numeric | ~is_shared)).alias("l"))
    joining = facts.filter(numeric & shared).with_columns(pl.format("{}:{}", RELATION, TAIL).alias(TAIL))
    found = triples.filter(literal).select(HEAD, RELATION, TAIL, DATATYPE).unique().sort(pl.all())
    return pl.concat([facts.filter(~literal), joining]), [Literal(*row) for row in found.iter_rows()]


def mark_literals(triples: pl.DataFrame, entities: pl.Series) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Add the column `datatype` to triples if tails are literals, and a note with their number.

    Without such a column in the file, a relation leads to literals if all its tails are numbers or dates and none is a head or one of the
    `entities` of items. Codes such as 007 are entities. If any head or item entity is an integer, integers other than years are entities as
    well, and so are years if all tails are integers.
    """
    if DATATYPE not in triples.columns:
        triples = _recognised(triples, entities)
    if not triples[DATATYPE].count():
        return triples.drop(DATATYPE), ()
    _, literals = split_literals(triples)
    counts = pl.Series([one.relation for one in literals], dtype=pl.String).value_counts(sort=True).rows()
    named = ", ".join(f"`{relation}` ({n:,})" for relation, n in counts[:_N_NAMED])
    more = f" and {len(counts) - _N_NAMED:,} more" if len(counts) > _N_NAMED else ""
    note = f"{len(literals):,} of {len(triples):,} triples end in literals, which are features of their entities: {named}{more}"
    return triples, (note,) if literals else ()


def _recognised(triples: pl.DataFrame, entities: pl.Series) -> pl.DataFrame:
    """Add the column `datatype`: `NUMBER` for relations whose tails are literals by their values."""
    known = pl.concat([triples[HEAD], entities]).unique()
    is_whole = pl.col(TAIL).str.contains(_WHOLE)
    is_number = number_of(TAIL).is_not_null() & ~pl.col(TAIL).is_in(known.implode()) & ~pl.col(TAIL).str.contains(_CODE)
    if known.str.contains(_WHOLE).any():
        all_whole = bool(triples.select(is_whole.all()).item())
        year = pl.col(TAIL).cast(pl.Int64, strict=False).is_between(*_YEARS).fill_null(False)
        is_number &= pl.lit(not all_whole) & (~is_whole | year)
    datatype = pl.when(is_number.all().over(RELATION)).then(pl.lit(NUMBER)).alias(DATATYPE)
    return triples.with_columns(datatype)


def number_of(column: str) -> pl.Expr:
    """An expression that parses texts as numbers: dates as fractional years, Booleans as 1 and 0; null for anything else or not finite."""
    text = pl.col(column).str.strip_chars()
    number = text.cast(pl.Float64, strict=False)
    date = text.str.extract(r"^(-?\d{4,}-\d\d(?:-\d\d)?)(?:T[\d:.]+)?(?:Z|[+-]\d\d:\d\d)?$")
    parts = [date.str.extract(pattern).cast(pl.Float64) for pattern in (r"^(-?\d+)-", r"^-?\d+-(\d\d)", r"^-?\d+-\d\d-(\d\d)")]
    year, month, day = parts[0], parts[1] - 1, parts[2].fill_null(1) - 1
    truth = text.str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    return pl.coalesce(pl.when(number.is_finite()).then(number), year + (month + day / 31) / 12, truth)
