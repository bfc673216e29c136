"""The words with which the items of a run can be spoken of: columns, their values, numbers and titles."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple, final

_ARTICLES = re.compile(r"^(?:(?:of|the|a|an|any|some|such|from|by|in|with)\s+)+")
_CLOSE = 0.75
"""The similarity from which on a word is taken for a misspelt value."""


class ColumnValue(NamedTuple):
    """A value of a column."""

    column: str
    value: str


@final
@dataclass(frozen=True)
class Vocabulary:
    """What is known of the items by name."""

    item_ids: Sequence[str]
    titles: Sequence[str | None]
    values: Mapping[str, Sequence[str]]
    """By column, its values, most frequent first."""
    numbers: Sequence[str] = ()
    """The columns of numbers."""

    def find_value(self, words: str) -> ColumnValue | None:
        """Return the value that words name, with or without its column: `drama`, `genre drama`, `genre: dramas`."""
        folded = folded_words(words)
        bare = _ARTICLES.sub("", folded)
        for text in dict.fromkeys((folded, bare, *_singular(bare))):
            if text in self._by_value:
                return self._by_value[text]
        for column in self.values:
            rest = without_column(bare, column)
            if rest is not None:
                found = next((one for text in (rest, *_singular(rest)) if (one := self._of_column[column].get(text))), None)
                if found:
                    return ColumnValue(column, found)
        return None

    def find_number(self, words: str) -> str | None:
        """Return the column of numbers that words name."""
        bare = _ARTICLES.sub("", folded_words(words))
        return next((one for one in self.numbers if folded_words(one) == bare), None)

    def find_item(self, words: str) -> int | None:
        """Return the item_idx of an id or title."""
        folded = folded_words(words)
        return self._by_item.get(folded, self._by_item.get(_ARTICLES.sub("", folded)))

    def close_values(self, words: str) -> list[ColumnValue]:
        """Return the values whose spelling is close to some words, best first."""
        bare = _ARTICLES.sub("", folded_words(words))
        columns = [column for column in self.values if without_column(bare, column) is not None]
        if columns:
            known = self._of_column[columns[0]]
            rest = without_column(bare, columns[0]) or ""
            return [ColumnValue(columns[0], known[one]) for one in get_close_matches(rest, known, n=3, cutoff=0.5)]
        close = get_close_matches(bare, self._by_value, n=3, cutoff=_CLOSE)
        return [self._by_value[one] for one in close if one.count(" ") == bare.count(" ")]  # a part of a value is a word of its own

    def close_items(self, words: str) -> list[int]:
        """Return the items whose title or id is close to some words, best first."""
        return [self._by_item[one] for one in get_close_matches(folded_words(words), self._by_item, n=3, cutoff=_CLOSE)]

    def names_column(self, words: str) -> str | None:
        """Return the column of values that words begin or end with."""
        bare = _ARTICLES.sub("", folded_words(words))
        return next((column for column in self.values if without_column(bare, column) is not None), None)

    def title(self, item_idx: int) -> str:
        """Return the title of an item, or its id."""
        return self.titles[item_idx] or self.item_ids[item_idx]

    @cached_property
    def places(self) -> dict[str, int]:
        """By id, item_idx."""
        return {item_id: idx for idx, item_id in enumerate(self.item_ids)}

    @cached_property
    def _of_column(self) -> dict[str, dict[str, str]]:
        return {column: {folded_words(one): one for one in reversed(values)} for column, values in self.values.items()}

    @cached_property
    def _by_value(self) -> dict[str, ColumnValue]:
        found: dict[str, ColumnValue] = {}
        for column, values in self._of_column.items():
            for folded, value in values.items():
                found.setdefault(folded, ColumnValue(column, value))
        return found

    @cached_property
    def _by_item(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for names in (self.item_ids, self.titles):
            for idx, name in enumerate(names):
                if name:
                    found.setdefault(folded_words(name), idx)
        return found


def folded_words(text: str) -> str:
    """Return a text in the form in which names are compared: without case, quotes, underscores and repeated spaces.

    >>> folded_words("  “Sci_Fi”  ")
    'sci fi'
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return re.sub(r"[\s_]+", " ", re.sub(r"[\"“”《》「」]", "", text)).strip(" .!?。！？,，")


def without_column(words: str, column: str) -> str | None:
    """Return what is left of words that begin or end with the name of a column; None if they do not."""
    name = re.escape(folded_words(column))
    found = re.fullmatch(rf"{name}s?(?![a-z0-9])\s*[:=]?\s*(.+)|(.+?)(?<![a-z0-9])\s*{name}s?", words)
    return None if found is None else (found[1] or found[2]).strip()


def _singular(text: str) -> list[str]:
    """Possible singulars of an English plural."""
    found = [text.removesuffix("s")] if text.endswith("s") else []
    found += [text.removesuffix("ies") + "y"] if text.endswith("ies") else []
    return found + ([text.removesuffix("es")] if text.endswith("es") else [])
