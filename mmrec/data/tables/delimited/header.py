"""Detect whether the first line of delimited text holds column names or is already a row."""

import re
from collections.abc import Sequence

_VALUE = re.compile(r"\s*([+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?)\s*")
REMEDY = "data.header=false says that there is no header line, and the columns are column_1, column_2, …, the first ones the ids"


def looks_like_row(header: Sequence[str]) -> bool:
    """Whether the first line of a file is a row: at least half of its fields are numbers or dates, and the first field has a digit.

    Numbers that count the columns from 0 are column names: pandas writes them for unnamed columns.

    >>> [looks_like_row(line.split(",")) for line in ("196,242,3", "u1,i7,5,2024-12-31", "user_id,2023,2024", "0,1,2")]
    [True, True, False, False]
    """
    values = [(str(number), field) for number, field in enumerate(header) if _VALUE.fullmatch(field)]
    counts_columns = all(number == field for number, field in values)
    return not counts_columns and 2 * len(values) >= len(header) and re.search(r"\d", header[0]) is not None


def no_names(header: Sequence[str]) -> str:
    """The message for a first line that looks like a row."""
    shown = ", ".join(f"`{field[:40]}`" for field in header[:4]) + (", …" if len(header) > 4 else "")
    return f"expected a header line with the names of the columns, found {shown}, which looks like a row: {REMEDY}"


def make_names(n_columns: int) -> list[str]:
    """Names for unnamed columns: column_1, column_2, …"""
    return [f"column_{number}" for number in range(1, n_columns + 1)]
