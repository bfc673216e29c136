"""Numbers in JSON lines that are ids: they are kept as the text that they are, for as numbers some of them are the same.

`7` and `7.0` are equal as numbers, and so are 9007199254740993 and 9007199254740992 where another line has a fraction.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence

import polars as pl

_ODD = r"(?:-?[0-9]{18,}|-?[0-9]+[.eE]|-0)"
"""The start of a number that Polars may write in another way than the file does."""
_NUMBER = r"(-?[0-9][0-9.eE+-]*)"
_ESCAPED_KEY = r'\\[^"\\]*"\s*:'
"""A name with an escape in it may be any name."""


class NumbersAsText:
    """The numbers that some keys have, put into quotes. A key of the same name in a nested object is treated alike."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        """Without any, nothing is changed."""
        names = "|".join(re.escape(json.dumps(key, ensure_ascii=False)) for key in keys)
        self._pattern = rf"((?:{names})\s*:\s*){_NUMBER}"
        self._odd = re.compile(rf"(?:{names})\s*:\s*{_ODD}|{_ESCAPED_KEY}".encode())
        self._are_odd: bool | None = None

    def are_odd(self, blocks: Callable[[], Iterable[bytes]]) -> bool:
        """Whether blocks of lines have such numbers that are not safe as numbers. They are looked at once."""
        if self._are_odd is None:
            self._are_odd = bool(self.keys) and any(self._odd.search(block) for block in blocks())
        return self._are_odd

    def quoted(self, lines: pl.Expr) -> pl.Expr:
        """The lines, in Polars."""
        return lines.str.replace_all(self._pattern, '${1}"${2}"')

    def quoted_in(self, line: str) -> str:
        """One line."""
        return re.sub(self._pattern, r'\1"\2"', line) if self.keys else line
