"""Predict the linear vectors of items without training interactions from their content."""

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.models.content.content_matrix import WORDS, read_content
from mmrec.models.content.ridge import RidgeFactors, solve_ridge
from mmrec.models.content.solved_ridge import SolvedRidge
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import LackingData
from mmrec.types import KG, TEXT, DatasetSpec

_REGULARIZATION = 10.0
_log = logging.getLogger(__name__)


class NewItems:
    """Ridge regression from the content of items with training interactions to their vectors, applied to new items.

    See Gantner et al. 2010, "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations"; content as in `read_content`.
    """

    def __init__(self, ridge: RidgeFactors, shows: Bool[Tensor, " n_items"], known: Bool[Tensor, " n_items"]) -> None:
        self.ridge, self.shows, self.known = ridge, shows, known

    @classmethod
    def of(cls, spec: DatasetSpec, hidden: Collection[str] = (), tell: bool = False) -> Self | None:
        """Solve the regression for a dataset, without the content of modalities in `hidden`.

        None if no new item has content in common with training items, or if the regression would take too much memory even with dense
        features alone; the latter is logged if `tell`.
        """
        if not _has_new_items(spec):
            return None
        vectors = [name for name in spec.features if name not in hidden]
        sparse = [name for name, modality in ((KG, KG), (WORDS, TEXT)) if modality not in hidden]
        for sources in ([*vectors, *sparse], vectors):
            try:
                content = read_content(spec, sources)
                if not (content.present & ~content.known).any():
                    return None
                return cls(solve_ridge(content, _REGULARIZATION), content.present, content.known)
            except LackingData as error:
                reason = str(error)
        if tell:
            _log.info(f"linear: no prediction for new items, {reason}")
        return None

    def predict(self, vectors: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_items dim"]:
        """Predict the vectors of all items with content, given those of items with training interactions; zero for others."""
        mean = vectors[self.known].mean(dim=0)
        predicted = mean + self.ridge.predict((vectors - mean) * self.known[:, None])
        return torch.where(self.shows[:, None], predicted, 0.0)


@final
class AddedItems:
    """Predicts linear vectors as `NewItems` does, of data to which new items are added: the regression is solved once.

    Args:
        spec: the data before.
        vectors: the linear vectors of their items.
    """

    def __init__(self, spec: DatasetSpec, vectors: Float[Tensor, "n_items rank"]) -> None:
        self._vectors, self._sources = vectors, list[str]()
        self._ridge: SolvedRidge | None = None
        for sources in ([*spec.features, KG, WORDS], list(spec.features)) if vectors.shape[1] else ():
            try:
                content = read_content(spec, sources)
                self._mean = vectors[content.known].mean(dim=0)
                self._ridge = SolvedRidge(content, (vectors - self._mean) * content.known[:, None], _REGULARIZATION)
            except LackingData:
                continue
            self._sources = sources
            break

    def predict(self, spec: DatasetSpec) -> Float[Tensor, "n_items rank_or_0"]:
        """Predict the vectors of all items of the extended data with content; no columns if nothing can be predicted."""
        content = None if self._ridge is None else read_content(spec, self._sources)
        if content is None or self._ridge is None or not (content.present & ~content.known).any():
            return self._vectors.new_zeros(spec.n_items, 0)
        return torch.where(content.present[:, None], self._mean + self._ridge.predict(content), 0.0)


class Predicted:
    """Linear item vectors predicted from content, with any modalities hidden."""

    def __init__(self, spec: DatasetSpec, vectors: Float[Tensor, "n_items rank"]) -> None:
        self.vectors = vectors
        self.spec = replace(spec, item_inputs={}) if vectors.shape[1] > 0 and _has_new_items(spec) else None

    def without(self, hidden: Collection[str]) -> Float[Tensor, "n_items rank"]:
        """The vectors predicted without the modalities in `hidden`; no columns if nothing can be predicted."""
        if self.spec is None or (new_items := NewItems.of(self.spec, hidden, tell=not hidden)) is None:
            return self.vectors[:, :0]
        return new_items.predict(self.vectors)


def _has_new_items(spec: DatasetSpec) -> bool:
    return not bool(occurring(spec.train.item_idx, spec.n_items).all())
