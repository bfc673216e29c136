"""BM25: the words that a query and an item's text have in common, through bm25s."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import bm25s
import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.features.bag_of_words import all_words
from mmrec.models.recommender import LackingData
from mmrec.models.search.search_model import SearchModel
from mmrec.types import DatasetSpec

K1, B = 1.5, 0.75
logging.getLogger("bm25s").setLevel(logging.WARNING)  # it logs the building of an index


class WordIndex:
    """The inverted index of the words of items. Items without a word of a query score 0.

    Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, in the variant of Lucene.

    Args:
        texts: of the items.
        k1: how much further occurrences of a word count.
        b: how much long texts are discounted, from 0 to 1.
    """

    def __init__(self, texts: Sequence[str], k1: float = K1, b: float = B) -> None:
        self.n_items = len(texts)
        words = [all_words(text) for text in texts]
        self._index: Any = bm25s.BM25(method="lucene", k1=k1, b=b) if any(words) else None
        if self._index is not None:
            self._index.index(words, show_progress=False)

    def score(self, texts: Sequence[str]) -> Float[Tensor, "n n_items"]:
        """Return the scores of all items for queries."""
        scores = np.zeros((len(texts), self.n_items), np.float32)
        for row, text in enumerate(texts if self._index is not None else ()):
            codes = self._index.get_tokens_ids(all_words(text))
            if codes:
                scores[row] = self._index.get_scores_from_ids(codes)[: self.n_items]
        return torch.from_numpy(scores)


class BM25(SearchModel):
    """Scores an item by the words of its text that are in the query.

    Args:
        k1: how much further occurrences of a word count.
        b: how much long texts are discounted, from 0 to 1.
    """

    constants: Tensor

    def __init__(self, k1: float = K1, b: float = B) -> None:
        super().__init__()
        if k1 < 0 or not 0 <= b <= 1:
            raise ValueError(f"k1 and b: expected at least 0, and a number from 0 to 1, found {k1} and {b}")
        self.k1, self.b = k1, b

    def learn(self, spec: DatasetSpec) -> None:
        if not any(self.item_texts):
            raise LackingData("no item has a text")
        self.remember(constants=torch.tensor([self.k1, self.b]))

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex(self.item_texts, *self.constants.tolist())

    def score_queries(
        self, texts: Sequence[str], vectors: Float[Tensor, "n dim"], person: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n n_items"]:
        return self._words.score(texts)
