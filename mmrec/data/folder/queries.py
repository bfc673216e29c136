"""Check the rows of a table of search queries."""

import polars as pl

from mmrec.data.tables.columns import ReadTable
from mmrec.data.tables.problems import Problems
from mmrec.query_text import MAX_CHARACTERS, describe_overlong
from mmrec.types import QUERY


def check_queries(table: ReadTable, known: pl.Series, problems: Problems) -> ReadTable:
    """Drop rows with a blank or overlong query, or an item that is not `known`, and report them as problems."""
    texts = table.frame[QUERY].fill_null("").str.strip_chars()
    table = table.without(texts == "", problems, QUERY, "no-query", lambda _: "expected the text of a query, found none")
    texts = table.frame[QUERY].str.strip_chars()
    table = table.without(texts.str.len_chars() > MAX_CHARACTERS, problems, QUERY, "long-query", describe_overlong)
    return table.known_items(known, problems)
