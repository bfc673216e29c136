"""Collect everything that is wrong with a user's files in one pass: examples with positions, counts, and the rows concerned."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmrec.errors import DataError, printable

SHOWN = 100
"""The number of problems kept with position and value; beyond it, problems are only counted."""
REMEDIES = {
    "no-id": "give each row an id, or remove the row",
    "no-time": "write seconds since 1970, or ISO 8601 such as 2024-12-31T23:59",
    "mixed-time-units": "write all times in one unit",
    "no-number": "write a number with a decimal point, or nothing",
    "no-text": "write text, or nothing",
    "repeated-id": "keep one row of each id",
    "unknown-item": "name the item as the items do, or remove the row",
    "no-query": "write the words that were searched for, or remove the row",
    "long-query": "shorten the query, or remove the row",
    "repeated-header": "remove the line",
    "broken-quotes": "close the quotes, double those inside of a field",
    "too-many-fields": "put fields that hold the separator in quotes",
    "odd-bytes": "save the file anew in one encoding, UTF-8 best",
    "not-json": "write one JSON object a line",
    "missing-picture": "name a file inside the folder, or the store, or nothing",
    "unreadable-picture": "save the picture anew, as JPEG or PNG",
}
"""The remedy for each kind of problem, by code."""


@dataclass(frozen=True)
class Problem:
    """One value, one line or one file that cannot be used."""

    code: str
    """The kind of problem: an identifier that is stable across versions."""
    place: str
    """`file:line:column`, as far as they are known."""
    reason: str
    """What was expected and what was found instead."""
    remedy: str = ""
    """What to do about it, unless the reason says so."""

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.reason}{f'; {self.remedy}' if self.remedy else ''} [{self.code}]")


class Problems:
    """The problems found so far, in the order of discovery."""

    def __init__(self) -> None:
        self.shown: list[Problem] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        """Counts by code and by location: a file, or a column of a file."""

    def __len__(self) -> int:
        return self.counts.total()

    @property
    def room(self) -> int:
        """How many more problems can be kept with position and value."""
        return SHOWN - len(self.shown)

    def add(self, where: str, first: Sequence[Problem], count: int | None = None) -> None:
        """Add problems of one kind in one location: the first of them, and their total number `count`."""
        self.counts[first[0].code, where] += len(first) if count is None else count
        self.shown += first[: self.room]

    def raise_any(self) -> None:
        """Raise DataProblems if there are any problems."""
        if len(self):
            raise DataProblems(self)

    def as_json(self) -> dict[str, Any]:
        """The problems as a JSON-serialisable dictionary."""
        counts = [{"code": code, "where": where, "count": count} for (code, where), count in self.counts.items()]
        first = [asdict(one) | {"remedy": one.remedy or REMEDIES.get(one.code, "")} for one in self.shown]
        return {"count": len(self), "counts": counts, "first": first}

    def __str__(self) -> str:
        lines = [str(one) for one in self.shown]
        if len(self) > 1:
            kinds = ", ".join(f"{count:,} {code} in {where}" for (code, where), count in self.counts.items())
            above = f"; the first {len(self.shown)} are above" if len(self) > len(self.shown) else ""
            lines.append(f"{len(self):,} problems: {kinds}{above}")
        return "\n".join(lines)


class DataProblems(DataError):
    """The values in a user's files that cannot be used."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.problems = problems
