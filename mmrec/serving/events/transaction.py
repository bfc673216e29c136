"""Transactions of SQL databases, as the stores of events use them."""

from collections.abc import Sequence
from typing import Any, Protocol

Row = tuple[Any, ...]


class Transaction(Protocol):
    """Statements of one transaction. `?` stands for a value."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run a statement and return its rows."""

    def change(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Run a statement once for each row of values, and return how many rows of the table changed."""
