"""Quote numeric ids in JSON Lines, so that they keep the text that the file has.

As numbers, distinct ids may become equal: `7` and `7.0`, or 9007199254740993 and 9007199254740992 once another line has a fraction.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence

import polars as pl

_ODD = r"(?:-?[0-9]{18,}|-?[0-9]+[.eE]|-0)"
"""The start of a number that Polars may write differently from the file."""
_NUMBER = r"(-?[0-9][0-9.eE+-]*)"
_ESCAPED_KEY = r'\\[^"\\]*"\s*:'
"""A key with an escape sequence, which may spell any of the keys."""


class NumbersAsText:
    """Quotes the numbers under some keys. Keys of the same name in nested objects are treated alike."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        """The keys; with none, lines stay as they are."""
        names = "|".join(re.escape(json.dumps(key, ensure_ascii=False)) for key in keys)
        self._pattern = rf"((?:{names})\s*:\s*){_NUMBER}"
        self._odd = re.compile(rf"(?:{names})\s*:\s*{_ODD}|{_ESCAPED_KEY}".encode())
        self._are_odd: bool | None = None

    def are_odd(self, blocks: Callable[[], Iterable[bytes]]) -> bool:
        """Whether any line has a number under these keys that Polars would alter. The blocks are read at most once."""
        if self._are_odd is None:
            self._are_odd = bool(self.keys) and any(self._odd.search(block) for block in blocks())
        return self._are_odd

    def quoted(self, lines: pl.Expr) -> pl.Expr:
        """An expression that quotes the numbers in lines."""
        return lines.str.replace_all(self._pattern, '${1}"${2}"')

    def quoted_in(self, line: str) -> str:
        """Quote the numbers in one line."""
        return re.sub(self._pattern, r'\1"\2"', line) if self.keys else line
