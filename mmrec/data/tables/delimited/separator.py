"""Detect the separator of delimited text from its header."""

import csv

NAMES = {",": "commas", "\t": "tabs", " ": "spaces", ";": "semicolons", "|": "upright bars"}
OTHERS = (";", "\t", "|")


def find_separator(header: str, usual: str) -> str:
    """The usual separator, unless the header has one column under it and several under exactly one of `OTHERS`.

    >>> find_separator("Kunde;Artikel;Datum", usual=",")
    ';'
    """
    several = [other for other in OTHERS if _n_columns(header, other) > 1]
    return several[0] if _n_columns(header, usual) == 1 and len(several) == 1 else usual


def _n_columns(header: str, separator: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=separator), []))
    except csv.Error:  # the field exceeds the limit of the csv module
        return 1
