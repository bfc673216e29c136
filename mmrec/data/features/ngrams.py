"""Character n-grams of texts as hashes: texts with spelling errors share most of them with the right text."""

import zlib
from collections.abc import Sequence
from functools import lru_cache

import torch

from mmrec.data.features.bag_of_words import split_words
from mmrec.data.interactions.matrix import InteractionMatrix

SIZES = (3, 4)
"""The lengths of the n-grams, of words between `<` and `>`; the whole word is one as well."""
N_HASHES = 2**32


def ngram_hashes(text: str) -> list[int]:
    """Return the distinct hashes of all n-grams of a text, in the order of first occurrence.

    >>> len(ngram_hashes("red")), len(set(ngram_hashes("boots")) & set(ngram_hashes("bots")))
    (6, 2)
    """
    return list(dict.fromkeys(code for word in split_words(text) for code in _of_word(word)))


def ngram_rows(texts: Sequence[str]) -> InteractionMatrix:
    """Return the n-grams of each text as the rows of a sparse binary matrix with a column for each hash."""
    rows = [ngram_hashes(text) for text in texts]
    indptr = torch.tensor([0, *map(len, rows)], dtype=torch.int64).cumsum(0)
    return InteractionMatrix(indptr, torch.tensor([code for row in rows for code in row], dtype=torch.int64), N_HASHES)


@lru_cache(2**17)
def _of_word(word: str) -> tuple[int, ...]:
    marked = f"<{word}>"
    grams = {marked[start : start + size] for size in SIZES for start in range(len(marked) - size + 1)} | {marked}
    return tuple(sorted(zlib.crc32(gram.encode()) for gram in grams))
