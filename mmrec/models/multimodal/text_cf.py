"""TextCF: users and items are both encoded from texts by one encoder, and compared by attention."""

from collections.abc import Collection, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.losses import sampled_softmax
from mmrec.models.fold_in import FoldInByRegression
from mmrec.models.recommender import REQUIRED, FrozenScorer, GradientRecommender, LackingData, TrainScores
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.item_features import standardize
from mmrec.nn.look_up import look_up, rows_of
from mmrec.nn.user_texts import UserTextVectors
from mmrec.types import TEXT, DatasetSpec, Features, UserTexts

_LAST = 4.0
"""What is subtracted from the score of an item without text, which is then the lowest."""


class TextCF(GradientRecommender):
    """Collaborative filtering by a language model: `S = softmax(X Vᵀ)`, where the rows of X and V are encoded from texts alone.

    X are the queries and V the keys of an attention from users to items: linear functions of the encoder's vectors of a text about the
    user and of the item's text, scaled to unit length. They begin as the identity, so that an untrained model compares the texts as they
    are. The encoder is frozen, or is trained too (`tune.text`); the texts of the users of a batch are then encoded once a step.

    The loss is the cross-entropy of S over the positives, where the softmax is over the negatives of the batch, by default all items of
    the training part. A positive is predicted from the text about its user that does not name it. The loss is returned in
    `TrainScores.extra`: the configured ranking loss is ignored.

    Items without text are ranked last. Users without a text are represented by the mean of all others, and the vectors of users given by
    histories are predicted by ridge regression.

    Args:
        spec: the training data, with texts of items and about users.
        temperature: the divisor of the cosines before the softmax.
        dropout: the fraction of the numbers of a text's vector that is hidden from the linear functions in training.

    Raises:
        LackingData: there are no texts of items or about users, or they are encoded differently.
    """

    ranks_new_items = True
    user_texts = REQUIRED
    tuned_modalities = (TEXT,)
    items: Float[Tensor, "n_items dim"]
    has_text: Bool[Tensor, " n_items"]

    def __init__(self, spec: DatasetSpec, temperature: float = 0.1, dropout: float = 0.2) -> None:
        features, texts = check_texts(spec, "model=text_cf")
        super().__init__(spec)
        if temperature <= 0:
            raise ValueError(f"temperature: expected more than 0, found {temperature}")
        dim = features.values.shape[1]
        self.temperature, self.dropout = temperature, nn.Dropout(dropout)
        self.texts = UserTextVectors(texts, features, spec.n_items)
        self.register_buffer("items", standardize(features.values, features.present), persistent=False)
        self.register_buffer("has_text", features.present, persistent=False)
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        for parameter in (*self.query.parameters(), *self.key.parameters()):
            nn.init.zeros_(parameter)
        self.encoders = nn.ModuleDict()

    def tune_encoders(self, encoders: Mapping[str, TunedEncoder]) -> None:
        """Train this encoder of texts with the model."""
        self.encoders = nn.ModuleDict(encoders)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        rows = self.texts.folds(batch.user_idx)
        items, users = self._inputs(batch, rows.flatten(), generator)
        keys, queries = self._keys(items), self._queries(users)
        numbered, n_folds = batch.renumbered(), self.texts.n_folds
        row = batch.row * n_folds + self.texts.fold_of(batch.user_idx[batch.row], batch.item_idx)
        positive = (look_up(queries, row) * look_up(keys, numbered.item_idx)).sum(dim=1)
        negatives = F.embedding(numbered.negatives, keys)
        if negatives.ndim == 2:
            negative = queries @ negatives.T
        else:
            negative = torch.einsum("ukd,und->ukn", queries.view(*rows.shape, -1), negatives).flatten(0, 1)
        valid = batch.valid.repeat_interleave(n_folds, dim=0)
        loss = sampled_softmax(positive.float(), row, negative.float(), valid, self.temperature)
        none = keys.new_zeros(0)
        return TrainScores(none, keys.new_zeros(batch.valid.shape), loss)

    def _inputs(self, batch: TrainBatch, rows: Int64[Tensor, " n"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The vectors of a batch's distinct items, or of all, and of the texts in these rows."""
        if (encoder := self._encoder) is None:
            return rows_of(self.items, batch.distinct), self.texts(rows)
        return self.texts.encode(encoder, batch.distinct, rows, self.known_items, generator)

    @property
    def _encoder(self) -> TunedEncoder | None:
        return cast("TunedEncoder", self.encoders[TEXT]) if TEXT in self.encoders else None

    def _queries(self, users: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return F.normalize(users + self.query(self.dropout(users)), dim=1)

    def _keys(self, items: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
        return F.normalize(items + self.key(self.dropout(items)), dim=1)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        items, users, n_items = self.items, self.texts.of_users(), len(self.known_items)
        if (encoder := self._encoder) is not None:
            found = encoder.catalogue()
            items, users = found[:n_items], self.texts.centred(found[n_items:], None)
        keys, queries, has_text = self._keys(items).float(), self._queries(users).float(), self.texts.has_text[:, None]
        queries = torch.where(has_text, queries, queries[has_text[:, 0]].mean(dim=0))
        keys = torch.cat([keys, -_LAST * (~self.has_text).float()[:, None]], dim=1)
        queries = F.pad(queries, (0, 1), value=1.0)
        scorer = FrozenScorer(queries, keys, keys.new_zeros((n_items, 0)), FoldInByRegression(queries, keys, self.train_interactions))
        return scorer.lifted(~self.known_items, float(self.cold_lift))


def check_texts(spec: DatasetSpec, needed_by: str) -> tuple[Features, UserTexts]:
    """The features of the items' texts and the texts about users. Raises LackingData if there are none, or they do not fit each other."""
    features, texts = spec.features.get(TEXT), spec.user_texts
    if features is None or not features.present.any():
        raise LackingData(f"{needed_by} needs items with texts, and the data have none (or evidence.text is false)")
    if texts is None or not texts.features.present[: spec.n_users].any():
        raise LackingData(f"{needed_by} needs texts about users: evidence.user_text=true, and users with a history or a profile")
    dims = features.values.shape[1], texts.features.values.shape[1]
    if dims[0] != dims[1]:
        raise LackingData(
            f"{needed_by} needs texts of items and about users by one encoder, and found vectors of {dims[0]} and of {dims[1]} numbers; "
            "were those of the items made elsewhere?"
        )
    return features, texts
