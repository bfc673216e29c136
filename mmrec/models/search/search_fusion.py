"""SearchFusion: queries and items in one space, where items are fused from all evidence."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.features.ngrams import ngram_rows
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.fusion import DEFAULT_FUSION, DEFAULT_KG_ENCODER
from mmrec.models.multimodal.item_evidence import MakesFusion, item_evidence, visible_without
from mmrec.models.recommender import GradientRecommender, LackingData, TrainScores
from mmrec.models.search.bm25 import WordIndex
from mmrec.models.search.fused_search import CONSTANT, FusedSearch, query_vectors
from mmrec.models.search.ngram_space import N_BUCKETS, ngram_vectors, rarity
from mmrec.models.search.search_model import MATCHES
from mmrec.nn.backbones.backbone import Backbone, embedding_table
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.look_up import rows_of
from mmrec.types import TEXT, DatasetSpec, Queries

HIDDEN = ("modality", "feature", "query")
"""The fractions hidden in training: of tokens; of the numbers of frozen features; of the n-grams and the encoded vectors of queries."""
_HIDDEN = {"modality": 0.1, "feature": 0.1, "query": 0.2}
_BACKBONE = partial(ItemTable, init_scale=0.1)
_INIT_SCALE = 0.01
"""The scale of the n-grams' vectors at the start; small, since n-grams that training lacks keep theirs."""
_GAIN, _GAIN_STEP = 0.5, 5.0
"""The gains at the start, and how many times faster they change than other parameters."""


class SearchFusion(GradientRecommender):
    """Scores an item for a query by `cos(q, v_i) + b_i + g₁ cos(e(q), e(i)) + g₂ cos(n(q), n(i))`.

    `v_i` and `b_i` are those of `FusionRecommender`: fused from all evidence of the item, so that words can find what only a picture, the
    graph or the users know, and a new item has a place. `q = W e(q) + Σ_g w_g z_g` is the sum of a projection of the frozen encoder's
    vector of the query and of trained vectors of its character n-grams, most of which a misspelled word shares with the right one. The
    last two terms are the similarity of the texts for the encoder, and that of their n-grams. `W`, `z`, `g₁`, `g₂` and the items are
    trained; the ranking is fused with that of BM25 with a weight that validation chooses (`SearchTask`). If it is known who asks
    (`Queries.person`), the score that `FusionRecommender` gives the item for this person is added, with another such weight.

    Args:
        spec: the training data, with `queries`.
        embedding_dim: the size of vectors and tokens.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`; or the model whose item vectors are shared (`item_evidence`).
        backbone: creates the collaborative token from the interactions of people. None: no such token.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        hidden: by the names in `HIDDEN`.

    Raises:
        LackingData: the specification has no queries.
    """

    predicts: ClassVar[str] = MATCHES
    parts_taken = ("fusion", "backbone", "kg_encoder")
    later_state = {"person_weight": 0.0}  # noqa: RUF012
    mixture: Tensor
    person_weight: Tensor
    standard: Tensor
    gram_starts: Tensor
    gram_hashes: Tensor
    item_grams: Tensor
    item_text: Tensor
    query_raw: Tensor
    query_unit: Tensor
    weights: Tensor

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        fusion: MakesFusion = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        hidden: dict[str, float] = _HIDDEN,
    ) -> None:
        if set(hidden) != set(HIDDEN):
            raise ValueError(f"hidden: expected {', '.join(HIDDEN)}, found {', '.join(hidden) or 'nothing'}")
        if not 0 <= hidden["query"] < 1:
            raise ValueError(f"hidden.query: expected a share from 0 up to, not including, 1, found {hidden['query']}")
        if (queries := spec.queries) is None:
            raise LackingData("there are no queries, only interactions")
        super().__init__(spec)
        self.evidence = item_evidence(spec_of_people(spec), embedding_dim, fusion, backbone, kg_encoder, hidden)
        self.modalities, self.query_hidden = self.evidence.modalities, hidden["query"]
        self._register_texts(spec, queries)
        self.grams = embedding_table(N_BUCKETS, embedding_dim, _INIT_SCALE)
        self.project = nn.Linear(queries.features.values.shape[1], embedding_dim, bias=False)
        self.gains = nn.Parameter(torch.full((2,), _GAIN / _GAIN_STEP))
        self.register_buffer("mixture", torch.tensor([0.0, CONSTANT]))
        self.register_buffer("person_weight", torch.zeros(()))
        self.is_personal = queries.person is not None
        of_texts = replace(spec, features={}, graph=None, item_inputs={}, words=None)
        self._texts = _Texts(of_texts, FusedSearch())
        self._texts.model.remember_texts(of_texts)
        self.hard_negatives = _hard_negatives(spec, queries, self._texts.model.words)

    def _register_texts(self, spec: DatasetSpec, queries: Queries) -> None:
        """Register the vectors and n-grams of all texts as buffers outside of checkpoints."""
        vectors, asked = queries.features.values.float(), ngram_rows(queries.texts)
        grams = ngram_rows(queries.item_texts)
        weights = rarity(grams)
        features = spec.features.get(TEXT)
        unit = F.normalize(vectors, dim=1)
        item_text = unit.new_zeros(spec.n_items, 0)
        if features is not None and features.values.shape[1] == unit.shape[1] and any(queries.item_texts):
            item_text = F.normalize(features.values.float(), dim=1) * features.present[:, None]
        trained = vectors[spec.train.user_idx.unique()]
        buffers = {
            "standard": torch.stack([trained.mean(dim=0), trained.std(dim=0, correction=0).clamp(min=1e-6)]),
            "query_unit": unit,
            "query_raw": vectors,
            "gram_starts": asked.indptr,
            "gram_hashes": asked.indices,
            "weights": weights,
            "item_grams": ngram_vectors(*grams.rows(torch.arange(spec.n_items)), spec.n_items, weights),
            "item_text": item_text,
        }
        for name, values in buffers.items():
            self.register_buffer(name, values, persistent=False)

    @property
    def scaled_gains(self) -> Float[Tensor, " 2"]:
        """The weights of the similarities that are not trained."""
        return self.gains * _GAIN_STEP

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        encoded = self.evidence.encode(self.evidence.draw_visible(generator), batch.distinct)
        small = batch.renumbered()
        row, hashes = InteractionMatrix(self.gram_starts, self.gram_hashes, 2**32).rows(batch.user_idx)
        n = len(batch.user_idx)
        vectors = (self.query_raw[batch.user_idx] - self.standard[0]) / self.standard[1]
        grams = ngram_vectors(row, hashes, n, self.weights)
        if self.training:
            kept = self._draw_kept(len(hashes), generator)
            row, hashes, vectors = row[kept], hashes[kept], vectors * self._draw_kept(n, generator)[:, None]
        asked = query_vectors(row, hashes, vectors, self.project.weight, self.grams.weight, self.weights)
        asked = F.normalize(asked, dim=1)
        texts = self.query_unit[batch.user_idx]
        items, bias = F.normalize(encoded.items.float(), dim=1), encoded.bias.float()
        gains = self.scaled_gains

        def of_pairs(query: Int64[Tensor, " m"], item: Int64[Tensor, " m"], place: Int64[Tensor, " m"]) -> Float[Tensor, " m"]:
            alike = gains[0] * (texts[query][:, : self.item_text.shape[1]] * self.item_text[item]).sum(dim=1)
            alike = alike + gains[1] * (grams[query] * self.item_grams[item]).sum(dim=1)
            return (F.embedding(query, asked) * F.embedding(place, items)).sum(dim=1) + rows_of(bias, place) + alike

        positive = of_pairs(batch.row, batch.item_idx, small.item_idx)
        pool, places = batch.negatives, small.negatives
        alike = gains[1] * (grams @ self.item_grams[pool].T)
        if self.item_text.shape[1]:
            alike = alike + gains[0] * (texts @ self.item_text[pool].T)
        negative = asked @ F.embedding(places, items).T + rows_of(bias, places) + alike
        return TrainScores(positive, negative, positive.new_zeros(()))

    def _draw_kept(self, n: int, generator: torch.Generator) -> Bool[Tensor, " n"]:
        return (torch.rand(n, generator=generator) >= self.query_hidden).to(self.mixture.device)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FusedSearch:
        was_training = self.training
        self.eval()
        encoded = self.evidence.encode(visible_without(self.evidence, hidden))
        people = self.evidence.freeze(hidden) if self.is_personal else None
        self.train(was_training)
        none = encoded.items.new_zeros(0, 0)
        texts = _without_texts(self._texts.spec) if TEXT in hidden else self._texts.model
        return texts.filled(
            {
                "items": F.normalize(encoded.items.float(), dim=1),
                "bias": encoded.bias.float(),
                "item_text": self.item_text[:, :0] if TEXT in hidden else self.item_text,
                "weights": self.weights,
                "table": self.grams.weight,
                "projection": self.project.weight,
                "mean": self.standard[0],
                "deviation": self.standard[1],
                "gains": self.scaled_gains,
                "mixture": self.mixture,
                "person_users": none if people is None else people.users * self.evidence.known_users[:, None],
                "person_items": none if people is None else people.items,
                "person_weight": self.person_weight,
            }
        )


def spec_of_people(spec: DatasetSpec) -> DatasetSpec:
    """Return the specification of the people whose interactions a specification with queries has. Raises LackingData without queries."""
    if (queries := spec.queries) is None:
        raise LackingData("there are no queries, only interactions")
    return replace(spec, n_users=queries.n_people, train=queries.behavior, queries=None)


class _Texts(NamedTuple):
    """The texts of the specification, and a model that has them; not a module of `SearchFusion`, whose checkpoints do not contain them."""

    spec: DatasetSpec
    model: FusedSearch


def _without_texts(spec: DatasetSpec) -> FusedSearch:
    assert spec.queries is not None  # checked by the constructor
    model = FusedSearch()
    model.remember_texts(replace(spec, queries=replace(spec.queries, item_texts=("",) * spec.n_items)))
    return model


N_HARD = 10
"""The hard negatives of a query."""
_CHUNK = 256


def _hard_negatives(spec: DatasetSpec, queries: Queries, index: WordIndex) -> Int64[Tensor, "n_queries n_hard"]:
    """The items that BM25 finds first for each training query; those that match no word are arbitrary. Empty without texts."""
    if not any(queries.item_texts):
        return torch.zeros((spec.n_users, 0), dtype=torch.int64)
    n_hard = min(N_HARD, spec.n_items)
    found = torch.zeros((spec.n_users, n_hard), dtype=torch.int64)
    for idx in spec.train.user_idx.unique().split(_CHUNK):
        found[idx] = index.score([queries.texts[one] for one in idx.tolist()]).topk(n_hard, dim=1).indices
    return found
