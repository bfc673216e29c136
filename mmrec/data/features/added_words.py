"""The bag of words of texts to which further ones are added, without reading the first ones again."""

from collections import Counter
from collections.abc import Sequence
from typing import final

import torch

from mmrec.data.features.bag_of_words import find_words, split_words
from mmrec.types import Words


@final
class AddedWords:
    """Extends the words of texts by those of further texts.

    The result is that of `find_words` on all texts, except that the columns of words that only become shared with the further texts come
    last. Its time is linear in the words of the further texts, and in the number of kept occurrences.

    Args:
        texts: the first texts.
    """

    def __init__(self, texts: Sequence[bytes | None]) -> None:
        self._n_texts, self._words = len(texts), find_words(texts)
        split = [split_words(text.decode()) if text else [] for text in texts]
        counts = Counter(word for words in split for word in words)
        self._columns = {word: at for at, word in enumerate(sorted(word for word, n in counts.items() if n > 1))}
        self._owners = {word: row for row, words in enumerate(split) for word in words if counts[word] == 1}

    def extended(self, texts: Sequence[bytes | None]) -> Words | None:
        """Return the words of the first texts and of these; None if no word is left."""
        columns, owners = dict[str, int](), dict[str, list[int]]()
        pairs = list[tuple[int, int]]()
        for at, text in enumerate(texts, self._n_texts):
            for word in split_words(text.decode()) if text else []:
                if word in self._columns:
                    pairs.append((at, self._columns[word]))
                else:
                    owners.setdefault(word, [self._owners[word]] if word in self._owners else []).append(at)
        for word, those in owners.items():
            if len(those) > 1:
                columns[word] = len(self._columns) + len(columns)
                pairs += [(at, columns[word]) for at in those]
        n_words, n_texts = len(self._columns) + len(columns), self._n_texts + len(texts)
        if not n_words:
            return None
        more = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
        if self._words is None:
            rows, indices = more[:, 0], more[:, 1]
        else:
            before = torch.repeat_interleave(torch.arange(self._n_texts), self._words.indptr.diff())
            rows, indices = torch.cat([before, more[:, 0]]), torch.cat([self._words.indices, more[:, 1]])
        order = (rows * n_words + indices).argsort()
        counts = torch.bincount(rows, minlength=n_texts)
        return Words(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), indices[order], n_words)
