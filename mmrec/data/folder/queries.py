"""Check the rows of a table of search queries."""

import polars as pl

from mmrec.data.tables.columns import ReadTable
from mmrec.data.tables.problems import Problems
from mmrec.errors import ConfigError
from mmrec.types import QUERY

MAX_CHARACTERS = 1000
"""The longest query that is accepted."""
_SHOWN = 40


def check_queries(table: ReadTable, known: pl.Series, problems: Problems) -> ReadTable:
    """Drop rows with a blank or overlong query, or an item that is not `known`, and report them as problems."""
    texts = table.frame[QUERY].fill_null("").str.strip_chars()
    table = table.without(texts == "", problems, QUERY, "no-query", lambda _: "expected the text of a query, found none")
    texts = table.frame[QUERY].str.strip_chars()
    table = table.without(texts.str.len_chars() > MAX_CHARACTERS, problems, QUERY, "long-query", _too_long)
    return table.known_items(known, problems)


def query_text(text: str) -> str:
    """Return a query in lower case with single spaces, which is how equal queries are recognised.

    Raises:
        ConfigError: the query is blank, or longer than `MAX_CHARACTERS`.

    >>> query_text(" Red  boots")
    'red boots'
    """
    plain = " ".join(text.lower().split())
    if not plain:
        raise ConfigError("query: expected some words, found none")
    if len(plain) > MAX_CHARACTERS:
        raise ConfigError(f"query: {_too_long(plain)}")
    return plain


def _too_long(value: object) -> str:
    text = str(value)
    return f"expected at most {MAX_CHARACTERS:,} characters, found {len(text):,}: `{text[:_SHOWN]}…`"
