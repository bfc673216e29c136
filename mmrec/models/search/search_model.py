"""The base classes of what answers search queries: texts in, scores of all items out."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Self

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from mmrec.data.features.ngrams import ngram_hashes, ngram_rows
from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.models.recommender import ClosedFormRecommender, LackingData, TrainedScorer
from mmrec.types import DatasetSpec

MATCHES = "matches"
"""As `Recommender.predicts`: scores say how well items match the text of a query."""
_LEAST_KNOWN = 0.5


class SearchScorer(nn.Module, TrainedScorer):
    """Scores items for the texts of queries. Its buffers contain the texts of the items, so that they answer any query.

    In the interactions of its specification, queries take the place of users. `score_users` answers these queries, and `score_queries` any.
    """

    reads_vectors: ClassVar[bool] = False
    """Whether it needs the vectors of queries from the text encoder."""
    item_bytes: Tensor
    item_lengths: Tensor
    query_bytes: Tensor
    query_lengths: Tensor
    query_vectors: Tensor
    query_person: Tensor
    known: Tensor

    @abstractmethod
    def score_queries(
        self, texts: Sequence[str], vectors: Float[Tensor, "n dim"], person: Int64[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n n_items"]:
        """The scores of all items for queries; higher is better.

        Args:
            texts: the queries, as `mmrec.data.folder.queries.query_text` returns them.
            vectors: their vectors from the text encoder; without columns for models that do not read them.
            person: who asks, -1 if nobody is known. Models that are the same for everyone ignore it.
        """

    def remember_texts(self, spec: DatasetSpec) -> None:
        """Store the texts of items and queries. Raises LackingData if there are no queries."""
        if (queries := spec.queries) is None:
            raise LackingData("there are no queries, only interactions")
        trained = [queries.texts[idx] for idx in spec.train.user_idx.unique().tolist()]
        items, asked = pack_texts(queries.item_texts), pack_texts(queries.texts)
        tensors = {"item_bytes": items[0], "item_lengths": items[1], "query_bytes": asked[0], "query_lengths": asked[1]}
        tensors["known"] = ngram_rows([*queries.item_texts, *trained]).indices.unique()
        tensors["query_vectors"] = queries.features.values.float() if self.reads_vectors else torch.zeros(len(queries.texts), 0)
        nobody = torch.full((len(queries.texts),), -1)
        tensors["query_person"] = nobody if queries.person is None else queries.person
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    @cached_property
    def item_texts(self) -> tuple[str, ...]:
        """The text of each item, empty if it has none."""
        return unpack_texts(self.item_bytes, self.item_lengths)

    @cached_property
    def query_texts(self) -> tuple[str, ...]:
        """The text of each query of the specification."""
        return unpack_texts(self.query_bytes, self.query_lengths)

    def knows(self, text: str) -> bool:
        """Return whether one of the words of a query is, but for spelling errors, one of the items' texts or of training queries."""
        for word in text.split():
            codes = torch.tensor(ngram_hashes(word), dtype=torch.int64)
            if len(codes) and float(torch.isin(codes, self.known.cpu()).float().mean()) >= _LEAST_KNOWN:
                return True
        return False

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        asked = user_idx.cpu()
        return self.score_queries([self.query_texts[idx] for idx in asked.tolist()], self.query_vectors[asked], self.query_person[asked])

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        raise ConfigError("this model answers search queries, and cannot score histories; use `run.search`")


class SearchModel(SearchScorer, ClosedFormRecommender):
    """A model that is fitted without gradients, and then answers queries."""

    predicts: ClassVar[str] = MATCHES

    def fit(self, spec: DatasetSpec) -> Self:
        self.remember_texts(spec)
        self.learn(spec)
        return self

    @abstractmethod
    def learn(self, spec: DatasetSpec) -> None:
        """Learn from the specification, and remember what scoring needs. Raises LackingData as `fit` does."""


def pack_texts(texts: Sequence[str]) -> tuple[UInt8[Tensor, " n_bytes"], Int64[Tensor, " n_texts"]]:
    """Return the UTF-8 bytes of all texts, one after the other, and the number of bytes of each.

    >>> pack_texts(["ab", "", "c"])[1].tolist()
    [2, 0, 1]
    """
    encoded = [text.encode() for text in texts]
    lengths = torch.tensor([len(one) for one in encoded], dtype=torch.int64)
    return torch.frombuffer(bytearray(b"".join(encoded) or b" "), dtype=torch.uint8)[: int(lengths.sum())].clone(), lengths


def unpack_texts(packed: UInt8[Tensor, " n_bytes"], lengths: Int64[Tensor, " n_texts"]) -> tuple[str, ...]:
    """Return the texts that `pack_texts` packed."""
    whole, ends = packed.cpu().numpy().tobytes(), lengths.cumsum(0).tolist()
    return tuple(whole[end - n : end].decode() for end, n in zip(ends, lengths.tolist(), strict=True))
