"""What is known of the items of a finished run: vectors of each modality, and categories by column."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from jaxtyping import Float
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.experiment.run.scorers import RunScorers, SavedSettings
from mmrec.experiment.run.similarity import score_features
from mmrec.rerank.item_categories import ItemCategories
from mmrec.rerank.similarity import FUSED, graph_features, unit_vectors
from mmrec.types import ITEM_ID, KG, Dataset, Features

if TYPE_CHECKING:
    from mmrec.experiment.evidence import Evidence
    from mmrec.experiment.settings import EvaluateSettings


class RunContent:
    """An `mmrec.rerank.ItemContent` of a run. Fused vectors are in the run folder; all else is read from its data on first use.

    Args:
        run_dir: a finished run.
        saved: the settings that restore its data.
        scorers: the scorers of the run.
        item_ids: the items in the order of the model.
    """

    def __init__(self, run_dir: Path, saved: SavedSettings, scorers: RunScorers, item_ids: pl.Series) -> None:
        self.run_dir, self.saved, self.scorers, self.item_ids = run_dir, saved, scorers, item_ids
        self._features: dict[str, Features] = {}
        self._vectors: dict[str, Tensor] = {}
        self._categories: dict[str, ItemCategories] = {}

    def vectors(self, similarity: str) -> Float[Tensor, "n_items dim"]:
        """Vectors whose inner products are similarities, see `features`."""
        if similarity not in self._vectors:
            found = self.features(similarity)
            self._vectors[similarity] = unit_vectors(found.values, found.present)
        return self._vectors[similarity]

    def features(self, similarity: str) -> Features:
        """The vectors of a modality, or those of the model for `fused`.

        Raises:
            ConfigError: the items have no such modality; the message names the nearest one.
            DataError: the data of the run have changed.
        """
        if similarity not in self._features:
            is_fused = similarity == FUSED
            self._features[similarity] = (
                score_features(self.scorers.of_users(), self.scorers.n_users) if is_fused else self._read(similarity)
            )
        return self._features[similarity]

    def categories(self, column: str) -> ItemCategories:
        """The categories of the items by a column.

        Raises:
            ConfigError: the items have no such column; the message names the nearest one.
            DataError: the data of the run have changed.
        """
        if column not in self._categories:
            evidence = self._items
            columns = [name for name in evidence.dataset.items.columns if name != ITEM_ID]
            if column not in columns:
                raise ConfigError(f"rerank: the items have no column `{column}`; {nearest(column, columns)}")
            separator = self._settings.evidence.graph.separator
            self._categories[column] = ItemCategories.of_column(evidence.dataset.items, column, separator, evidence.index)
        return self._categories[column]

    def _read(self, modality: str) -> Features:
        known = (FUSED, *_modalities(self._items.dataset, list(self._settings.evidence.graph.item_columns)))
        if modality not in known:
            raise ConfigError(f"rerank: expected a similarity that the items have, found `{modality}`; {nearest(modality, known)}")
        evidence = self._open(modality)
        found = graph_features(evidence.graph, len(self.item_ids)) if evidence.graph else evidence.features.get(modality)
        if found is None:
            raise ConfigError(f"rerank: no item has the modality `{modality}`; choose another similarity, such as `{FUSED}`")
        return found

    @cached_property
    def _settings(self) -> "EvaluateSettings":
        return self.saved.evaluation(self.run_dir)

    @cached_property
    def _items(self) -> "Evidence":
        """The data without features and graph."""
        return self._open(None)

    def _open(self, modality: str | None) -> "Evidence":
        from mmrec.experiment.evaluate import open_items  # imports lightning

        evidence = open_items(self._settings, modality)
        _check_order(evidence.index, self.item_ids, self.run_dir)
        return evidence


def _modalities(dataset: Dataset, item_columns: list[str]) -> list[str]:
    has_graph = dataset.triples is not None or bool(item_columns)
    return list(dict.fromkeys([*dataset.vectors, *dataset.inputs, *([KG] if has_graph else [])]))


def _check_order(index: Index, item_ids: pl.Series, run_dir: Path) -> None:
    if not index.item_ids.equals(item_ids):
        raise DataError(f"{run_dir / 'items.parquet'}: expected the items of the data in the order of the model, found others")
