"""Extend a trained fusion model by items without training interactions, at the cost of these items."""

from collections.abc import Callable
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.models.multimodal.fusion import Encoded, FusionRecommender
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.priors.new_items import AddedItems, Predicted
from mmrec.nn.backbones.backbone import Backbone
from mmrec.nn.item_features import centre_and_scale
from mmrec.nn.shallow_copy import shallow_copy
from mmrec.types import COLLABORATIVE, KG, DatasetSpec

_KEPT = 4
_TOLERANCE = 1e-6


@final
class FusionWithAddedItems:
    """Makes copies of a fusion model that have further items, without interactions.

    Their scores are those of the model made again with these items and the same learned tensors, where features are centred and scaled as
    in the model before. Items are encoded again only if their entities have other vectors.

    Args:
        model: the trained model, without encoders that were trained with it and texts about users.
        spec: its data.
        trained_on: the data by which it centres and scales features.
    """

    def __init__(self, model: FusionRecommender, spec: DatasetSpec, trained_on: DatasetSpec) -> None:
        self._model, self._spec, self._trained_on = model.eval(), spec, trained_on
        self._added = AddedItems(spec, model.linear_items)
        self._encoded = dict[bytes, Encoded]()
        with torch.no_grad():
            self._collaborative = None if model.backbone is None else model.backbone.items()
            self._entities = _item_entities(model)

    def extended(
        self, spec: DatasetSpec, linear: LinearFactors | None, trend: Tensor | None, kg_encoder: nn.Module | None
    ) -> FusionRecommender:
        """Return a model of data that have further items after those of the model.

        Args:
            spec: these data.
            linear: the linear vectors with those of the items; they are zero.
            trend: the trend with that of the items.
            kg_encoder: the encoder of their graph with the learned tensors.
        """
        before, made = self._model, shallow_copy(self._model)
        none = torch.zeros(spec.n_items, 0)
        made.known_items = F.pad(before.known_items, (0, spec.n_items - self._spec.n_items))
        made.linear_items, made.linear_of_items = (none, none) if linear is None else (linear.items, linear.of_items)
        made.predicted, made.linear_predicted = Predicted(spec, made.linear_items), self._added.predict(spec)
        made.trend = torch.zeros(spec.n_items) if trend is None else trend
        made.history = before.history.extended(spec.n_items)
        if before.bias is not None:
            made.bias = nn.Parameter(F.pad(before.bias.detach(), (0, spec.n_items - self._spec.n_items)), requires_grad=False)
        if self._collaborative is not None:
            made.backbone = _FixedItems(F.pad(self._collaborative, (0, 0, 0, spec.n_items - self._spec.n_items)))
        made.kg_encoder = kg_encoder
        made.present = self._present(spec)
        keep_scales(made, self._trained_on, spec)
        if kg_encoder is not None and spec.graph is not None:
            made.item_entity = spec.graph.item_entity.clamp(min=0)
        made.encode_all = self._encoder(made)
        return made

    def _present(self, spec: DatasetSpec) -> Bool[Tensor, "n_items modalities"]:
        """Which tokens the items have, in the order of `modalities`."""
        columns = {name: features.present for name, features in spec.features.items()}
        columns[COLLABORATIVE] = F.pad(self._model.known_items, (0, spec.n_items - self._spec.n_items))
        if spec.graph is not None:
            columns[KG] = spec.graph.item_entity >= 0
        return torch.stack([columns[name] for name in self._model.modalities], dim=1)

    def _encoder(self, made: FusionRecommender) -> Callable[[Tensor], Encoded]:
        """What encodes all items by tokens that are visible: those of the model before are encoded once for the same tokens."""
        n_before, entities = self._spec.n_items, _item_entities(made)
        to_encode = torch.ones(made.present.shape[0], dtype=torch.bool)
        to_encode[:n_before] = False
        if entities is not None and self._entities is not None:
            to_encode[:n_before] |= ((entities[:n_before] - self._entities).abs() > _TOLERANCE).any(dim=1)
        to_encode[:n_before] |= (made.present[:n_before] != self._model.present).any(dim=1)
        rows = to_encode.nonzero().flatten()

        def encode(visible: Bool[Tensor, "n_items modalities"]) -> Encoded:
            new = made.encode(visible, rows)
            return Encoded(*(_replaced(old, rows, of_rows) for old, of_rows in zip(self._before(visible[:n_before]), new, strict=True)))

        return encode

    def _before(self, visible: Bool[Tensor, "n_items modalities"]) -> Encoded:
        """The items of the model before, by tokens that are visible."""
        key = visible.numpy().tobytes()
        if key not in self._encoded:
            if len(self._encoded) >= _KEPT:
                self._encoded.clear()
            self._encoded[key] = self._model.encode(visible)
        return self._encoded[key]


def keep_scales(model: FusionRecommender, before: DatasetSpec, spec: DatasetSpec) -> None:
    """Centre and scale the features of a model as those of other data, which it was trained on."""
    for name, features in spec.features.items():
        centre, scale = centre_and_scale(before.features[name].values, before.features[name].present)
        setattr(model, f"features_{name}", torch.where(features.present[:, None], (features.values - centre) / scale, 0.0))


class _FixedItems(Backbone):
    """Item vectors that do not change any more."""

    vectors: Float[Tensor, "n_items dim"]

    def __init__(self, vectors: Float[Tensor, "n_items dim"]) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def items(self) -> Float[Tensor, "n_items dim"]:
        return self.vectors

    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        raise NotImplementedError


@torch.no_grad()
def _item_entities(model: FusionRecommender) -> Float[Tensor, "n_items dim"] | None:
    """The vectors of the items' entities; None if the model has no graph."""
    return None if model.kg_encoder is None else model.kg_encoder()[model.item_entity]


def _replaced(old: Float[Tensor, "n_old ..."], rows: Int64[Tensor, " n"], new: Float[Tensor, "n ..."]) -> Float[Tensor, "n_items ..."]:
    """Old values with these in the place of some, or after them."""
    n_items = max(len(old), int(rows.max()) + 1 if len(rows) else 0)
    return torch.cat([old, old.new_zeros(n_items - len(old), *old.shape[1:])]).index_copy(0, rows, new)
