"""Limits on the memory and time that a file may cost, far above those of real data and below those of small malicious files."""

from dataclasses import dataclass, fields
from pathlib import Path

from mmrec.errors import ConfigError, DataError

ALWAYS_CELLS = 50_000_000
"""The number of cells (rows times columns) that is accepted for any table."""


@dataclass(frozen=True)
class Limits:
    """Limits that are checked before a file is read. Error messages name the key that raises the limit, `data.limits.<name>`.

    Args:
        columns: columns of a table, including the fields of nested columns.
        nesting: levels of nested values: lists and objects in JSON, types in Parquet, triples in RDF.
        expansion: the ratio of content to size on disk, for compressed and sparse files and for repeated texts in Parquet.
        cells_per_byte: the ratio of cells (rows times columns) to file size. Repeated rows and missing values take almost no space in a
            file, but much memory. `ALWAYS_CELLS` are accepted for any file.
        value_kb: the size of a tag, or of the text between two tags, in GraphML.
        settings_kb: the size of `mmrec.yaml`.
        wildcards: the number of `*` in a glob.
        deep_wildcards: the number of `**` in a glob, each of which searches all subfolders of those found by the others.
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
        """Raise DataError if a table has too many columns."""
        if n_columns > self.columns:
            raise DataError(f"{place}: {n_columns:,} columns, more than {self.columns:,}: is it a table? If so, raise {key_of('columns')}")

    def check_cells(self, place: str | Path, n_rows: int, n_columns: int, n_bytes: int) -> None:
        """Raise DataError if a table has too many cells for its size."""
        if n_rows * n_columns > max(ALWAYS_CELLS, self.cells_per_byte * n_bytes):
            raise DataError(
                f"{place}: {n_rows:,} rows of {n_columns:,} columns in {n_bytes:,} bytes, more than {self.cells_per_byte} values a byte, "
                f"which no table of use has; if it is one, raise {key_of('cells_per_byte')}"
            )

    def check_glob(self, place: str, glob: str) -> None:
        """Raise ConfigError for a glob whose search may not terminate in reasonable time."""
        for name, found in (("deep_wildcards", glob.count("**")), ("wildcards", glob.replace("**", "").count("*"))):
            if found > getattr(self, name):
                stars = "`**`" if name == "deep_wildcards" else "`*`"
                raise ConfigError(
                    f"{place}: expected at most {getattr(self, name)} {stars} in a glob, found {found} in `{glob[:80]}`; "
                    f"{key_of(name)} allows more"
                )


DEFAULTS = Limits()


def key_of(name: str) -> str:
    """The configuration key of a limit."""
    return f"data.limits.{name}"
