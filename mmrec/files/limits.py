"""How much a file may ask of memory and time: what honest data never comes near, and a small hostile file can."""

from dataclasses import dataclass, fields
from pathlib import Path

from mmrec.errors import ConfigError, DataError

ALWAYS_CELLS = 50_000_000
"""Rows times columns that any table may have."""


@dataclass(frozen=True)
class Limits:
    """Bounds that are checked before a file is read. Every message names the key, `data.limits.<name>`, that raises its bound.

    Args:
        columns: of a table, the fields of nested columns included.
        nesting: levels of values inside of each other: lists and objects in JSON, types in Parquet, triples in RDF.
        expansion: how many times its size on disk a file may hold: compressed, with holes, or as Parquet of repeated texts.
        cells_per_byte: rows times columns of a table, by the size of its file. Rows that are all alike, and values that are missing, take
            next to no space in a file, and much of it in memory. `ALWAYS_CELLS` are in order for any file.
        value_kb: of one tag, or of the text between two, in GraphML.
        settings_kb: of `mmrec.yaml`.
        wildcards: how many `*` a glob may have.
        deep_wildcards: how many `**` it may have: each goes through all folders below those that the others found.
    """

    columns: int = 10_000
    nesting: int = 64
    expansion: int = 200
    cells_per_byte: int = 100
    value_kb: int = 1_024
    settings_kb: int = 100
    wildcards: int = 8
    deep_wildcards: int = 2

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{key_of(one.name)}: expected a whole number from 1, found `{value}`")

    def check_columns(self, place: str | Path, n_columns: int) -> None:
        """Raises DataError for a table of too many columns."""
        if n_columns > self.columns:
            raise DataError(f"{place}: {n_columns:,} columns, more than {self.columns:,}: is it a table? If so, raise {key_of('columns')}")

    def check_cells(self, place: str | Path, n_rows: int, n_columns: int, n_bytes: int) -> None:
        """Raises DataError for a table that has too many values for its size."""
        if n_rows * n_columns > max(ALWAYS_CELLS, self.cells_per_byte * n_bytes):
            raise DataError(
                f"{place}: {n_rows:,} rows of {n_columns:,} columns in {n_bytes:,} bytes, more than {self.cells_per_byte} values a byte, "
                f"which no table of use has; if it is one, raise {key_of('cells_per_byte')}"
            )

    def check_glob(self, place: str, glob: str) -> None:
        """Raises ConfigError for a glob whose search could take forever."""
        for name, found in (("deep_wildcards", glob.count("**")), ("wildcards", glob.replace("**", "").count("*"))):
            if found > getattr(self, name):
                stars = "`**`" if name == "deep_wildcards" else "`*`"
                raise ConfigError(
                    f"{place}: expected at most {getattr(self, name)} {stars} in a glob, found {found} in `{glob[:80]}`; "
                    f"{key_of(name)} allows more"
                )


DEFAULTS = Limits()


def key_of(name: str) -> str:
    """What the configuration calls a limit."""
    return f"data.limits.{name}"
