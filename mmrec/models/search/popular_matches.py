"""PopularMatches: the most popular of the items that have a word of the query."""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.search.bm25 import WordIndex
from mmrec.models.search.search_model import SearchModel
from mmrec.types import DatasetSpec


class PopularMatches(SearchModel):
    """Scores the items that have a word of the query by their number of interactions and training queries, above all others."""

    counts: Tensor

    def learn(self, spec: DatasetSpec) -> None:
        of_people = [] if spec.queries is None else [spec.queries.behavior.item_idx]
        self.remember(counts=torch.bincount(torch.cat([spec.train.item_idx, *of_people]), minlength=spec.n_items).float())

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex(self.item_texts)

    def score_queries(
        self, texts: Sequence[str], vectors: Float[Tensor, "n dim"], person: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n n_items"]:
        matches = self._words.score(texts) > 0
        return self.counts + matches * (self.counts.max() + 1)
