"""The numbers of rows of a table by what became of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowCount:
    """The numbers of rows of one table by outcome: rows in = kept + quarantined + deduplicated + filtered."""

    table: str
    n_in: int
    """All rows of the file, including broken lines."""
    n_quarantined: int = 0
    n_deduplicated: int = 0
    n_filtered: int = 0

    @property
    def n_kept(self) -> int:
        return self.n_in - self.n_quarantined - self.n_deduplicated - self.n_filtered

    def as_dict(self) -> dict[str, int]:
        """The numbers by name, JSON-serialisable."""
        return {
            "in": self.n_in,
            "kept": self.n_kept,
            "quarantined": self.n_quarantined,
            "deduplicated": self.n_deduplicated,
            "filtered": self.n_filtered,
        }

    def __str__(self) -> str:
        return (
            f"{self.table}: {self.n_in:,} rows in = {self.n_kept:,} kept + {self.n_quarantined:,} quarantined"
            f" + {self.n_deduplicated:,} deduplicated + {self.n_filtered:,} filtered"
        )
