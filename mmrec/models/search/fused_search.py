"""The trained search model, ready to answer: queries and fused items in one space, mixed with BM25 by reciprocal rank fusion."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.features.ngrams import ngram_rows
from mmrec.models.search.bm25 import WordIndex
from mmrec.models.search.ngram_space import bucket, ngram_vectors
from mmrec.models.search.rank_fusion import fuse_ranks, rank_items
from mmrec.models.search.search_model import SearchScorer

CONSTANT = 60.0
"""Of reciprocal rank fusion, until validation has chosen one."""


class FusedSearch(SearchScorer):
    """Scores items as `SearchFusion`, which makes it, has learned. It has everything that it needs in its `state_dict`."""

    reads_vectors = True
    items: Tensor
    """(n_items, dim), of unit length."""
    bias: Tensor
    item_text: Tensor
    """The vectors of the items' texts, of unit length; zeros where there is none, or without columns."""
    weights: Tensor
    """Of n-grams, by bucket."""
    table: Tensor
    """The trained vectors of n-grams, by bucket."""
    projection: Tensor
    mean: Tensor
    deviation: Tensor
    gains: Tensor
    """The weights of the similarities of texts and of n-grams."""
    mixture: Tensor
    """The weight of BM25 in the fusion of ranks, and its constant."""
    person_users: Tensor
    """The vectors of people, whose inner products with `person_items` are their scores of items; none if it is the same for everyone."""
    person_items: Tensor
    person_weight: Tensor
    """Of the scores of who asks."""

    def filled(self, tensors: Mapping[str, Tensor]) -> "FusedSearch":
        """Return a model with the texts of this one, and with the tensors named in this class."""
        made = FusedSearch()
        for name, tensor in (dict(self.named_buffers()) | {name: one.detach().cpu().clone() for name, one in tensors.items()}).items():
            made.register_buffer(name, tensor)
        made.__dict__["words"] = self.words
        return made

    @cached_property
    def words(self) -> WordIndex:
        """The inverted index of the items' texts."""
        return WordIndex(self.item_texts)

    @cached_property
    def _item_grams(self) -> Float[Tensor, "n_items dims"]:
        grams = ngram_rows(self.item_texts)
        return ngram_vectors(*grams.rows(torch.arange(grams.n_users)), grams.n_users, self.weights)

    def vectors(self) -> None:
        return None

    def score_queries(
        self, texts: Sequence[str], vectors: Float[Tensor, "n dim"], person: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n n_items"]:
        dense, (weight, constant) = self.score_dense(texts, vectors), self.mixture.tolist()
        if person is not None and float(self.person_weight) > 0:
            dense = dense + self.person_weight * self.score_people(person)
        if weight == 0:
            return dense
        words = self.words.score(texts)
        return fuse_ranks(rank_items(dense), rank_items(words), words > 0, weight, constant)

    def score_people(self, person: Int64[Tensor, " n"]) -> Float[Tensor, "n n_items"]:
        """Return what people score items without a query; 0 where nobody is known, and for a model that is the same for everyone."""
        if not len(self.person_users):
            return self.items.new_zeros(len(person), len(self.items))
        known: Tensor = person >= 0
        return (self.person_users[person.clamp(min=0)] * known[:, None]) @ self.person_items.T

    def score_words(self, texts: Sequence[str]) -> Float[Tensor, "n n_items"]:
        """Return the scores of BM25."""
        return self.words.score(texts)

    @torch.no_grad()
    def score_dense(self, texts: Sequence[str], vectors: Float[Tensor, "n dim"]) -> Float[Tensor, "n n_items"]:
        """Return the scores without BM25."""
        grams = ngram_rows(texts)
        row, hashes = grams.rows(torch.arange(len(texts)))
        asked = query_vectors(row, hashes, (vectors - self.mean) / self.deviation, self.projection, self.table, self.weights)
        scores = F.normalize(asked, dim=1) @ self.items.T + self.bias
        if self.item_text.shape[1]:
            scores = scores + self.gains[0] * (F.normalize(vectors, dim=1) @ self.item_text.T)
        return scores + self.gains[1] * (ngram_vectors(row, hashes, len(texts), self.weights) @ self._item_grams.T)


def query_vectors(
    row: Int64[Tensor, " n"],
    hashes: Int64[Tensor, " n"],
    vectors: Float[Tensor, "n_rows width"],
    projection: Float[Tensor, "dim width"],
    table: Float[Tensor, "n_buckets dim"],
    weights: Float[Tensor, " n_buckets"],
) -> Float[Tensor, "n_rows dim"]:
    """Return the vectors of queries: a projection of the encoder's vectors, plus the weighted mean of the n-grams' vectors.

    Args:
        row: the query of each n-gram.
        hashes: the n-grams of all queries.
        vectors: of the text encoder, standardised.
        projection: applied to `vectors`.
        table: the vectors of n-grams, by bucket.
        weights: of n-grams, by bucket.
    """
    places = bucket(hashes)
    share = weights[places]
    totals = share.new_zeros(len(vectors)).index_add(0, row, share)
    summed = vectors.new_zeros(len(vectors), table.shape[1]).index_add(0, row, share[:, None] * F.embedding(places, table))
    return vectors @ projection.T + summed / totals.clamp(min=1e-6)[:, None]
