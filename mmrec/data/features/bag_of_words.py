"""Extract the bag of words of item texts in any language, as a sparse binary matrix of the words that at least two items have."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import torch

from mmrec.types import Words

_MIN_ITEMS = 2
# Scripts without spaces between words: Thai to Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+)")


class _Letters(dict[int, str]):
    """Maps each character to itself if it is a letter, a mark or a number, else to a space; filled on demand."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if unicodedata.category(chr(code))[0] in "LMN" else " "
        return self[code]


_LETTERS = _Letters()


def split_words(text: str) -> list[str]:
    """The distinct words of a text, in the order of first occurrence; see `all_words`."""
    return list(dict.fromkeys(all_words(text)))


def all_words(text: str) -> list[str]:
    """The words of a text, in order.

    Words are runs of letters, marks and numbers, after NFKC normalisation and case folding. In scripts without spaces between words, every
    pair of adjacent characters is a word.
    """
    found: list[str] = []
    for run in unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS).split():
        for place, part in enumerate(_UNSPACED.split(run)):
            pairs = [part[start : start + 2] for start in range(max(1, len(part) - 1))]
            found += pairs if place % 2 else [part] if part else []
    return found


def find_words(texts: Sequence[bytes | None], min_items: int = _MIN_ITEMS) -> Words | None:
    """The words of each text, without those of fewer than `min_items` texts; None if no word is left.

    A word of a single item relates it to no other. Memory is linear in the number of kept occurrences.
    """
    split = [split_words(text.decode()) if text else [] for text in texts]
    counts = Counter(word for words in split for word in words)
    column = {word: at for at, word in enumerate(sorted(word for word, n in counts.items() if n >= min_items))}
    rows = [sorted(column[word] for word in words if word in column) for words in split]
    if not column:
        return None
    indptr = torch.tensor([0, *map(len, rows)]).cumsum(0)
    return Words(indptr, torch.tensor([at for row in rows for at in row], dtype=torch.int64), len(column))
