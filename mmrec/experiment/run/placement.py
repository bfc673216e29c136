"""Add items to the catalogue of a trained model by their content alone, without training."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from typing import Any, final

import polars as pl
import torch
from torch import Tensor, nn

from mmrec.data.features.added_words import AddedWords
from mmrec.data.features.item_inputs import TextInputs
from mmrec.data.features.texts import item_texts
from mmrec.data.interactions.index import Index
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.experiment.evaluate import Restored
from mmrec.experiment.evidence import Evidence, load_graph, load_words
from mmrec.experiment.models import Priors, make_model, spec_of
from mmrec.experiment.run.item_source import ItemContent, Picture
from mmrec.kg.graph_growth import GraphGrowth
from mmrec.models.multimodal.added_items import FusionWithAddedItems, keep_scales
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.recommender import ClosedFormRecommender, Recommender
from mmrec.models.time.interest_decay import Decay
from mmrec.types import ENTITY, HEAD, IMAGE, ITEM_ID, KG, RELATION, TAIL, TEXT, Dataset, DatasetSpec, Features, Graph

_SPARE = 1000
"""Vectors of content that no item has any more."""


@final
class ItemPlacer:
    """Extends a restored model by items that have no interactions.

    An added item gets the scores that it would have as an item of the data without training interactions, where features are centred and
    scaled as before. A fusion model is extended by the item alone, see `FusionWithAddedItems`. Other models, and those of which items of
    the data have other content now, are made again from the extended data, and all learned tensors are copied; models in closed form are
    fitted again.

    Args:
        restored: the model, with the data that it was trained on.

    Raises:
        ConfigError: the model cannot rank items without interactions, or not these.
    """

    def __init__(self, restored: Restored) -> None:
        model, settings = restored.model, restored.settings
        name = restored.training.model.name
        if not model.ranks_new_items:
            raise ConfigError(f"the model {name} ranks only items with interactions; train one that reads content, such as model=fusion")
        if restored.training.model.encoders is not None and restored.training.model.encoders.tunings:
            raise ConfigError(
                f"the encoders of the model {name} were trained with it, and new items need frozen ones; train with tune=none"
            )
        if restored.spec.user_texts is not None or restored.spec.queries is not None:
            raise ConfigError(f"the model {name} reads texts about users or queries, with which new items cannot be placed")
        changed = [name for name in (*restored.evidence.features, KG) if isinstance(settings.allows(name), str)]
        if changed:
            raise ConfigError(f"the run has changed evidence, {', '.join(changed)}, with which new items cannot be placed")
        self.restored = restored
        self._base: tuple[list[ItemContent], _Base] | None = None
        self._encoded: dict[tuple[str, str], Tensor] = {}
        self._read = set[tuple[str, str]]()
        self._is_prepared = False

    def check(self, item: ItemContent) -> tuple[str, ...]:
        """Return the kinds of content that place an item.

        Raises:
            DataError: a field or a triple is none of the data, or the picture cannot be decoded.
            ConfigError: the item has no content that the model reads.
        """
        restored, has_graph = self.restored, self.restored.evidence.graph is not None
        rows = _rows([item], restored.evidence.dataset)
        found = [name for name in restored.evidence.features if self._vector(name, item, rows) is not None]
        relations = _relations(restored)
        graph = restored.evidence.graph
        if item.entity is not None and (graph is None or item.entity not in graph.entities):
            raise DataError(f"entity: the graph has no entity `{item.entity}`; {nearest(item.entity, graph.entities if graph else ())}")
        for relation, _ in item.triples:
            if relation not in relations:
                raise DataError(f"triples: the graph has no relation `{relation}`; {nearest(relation, relations)}")
        columns = restored.settings.graph.item_columns if has_graph else ()
        if has_graph and (item.triples or item.entity or any(rows[column][0] is not None for column in columns)):
            found.append(KG)
        if not found:
            reads = [*restored.evidence.features, *([KG] if has_graph else [])]
            raise ConfigError(f"item `{item.item_id}` has none of the content that the model reads: {', '.join(reads)}")
        return tuple(found)

    def place(self, items: Sequence[ItemContent]) -> Restored:
        """Return the model with these items; those that the data do not have come last, in this order.

        Raises:
            ConfigError: the learned tensors do not fit the extended data.
        """
        placed = self._extended(items) if isinstance(self.restored.model, FusionRecommender) else self.made_again(items)
        if len(self._encoded) > 2 * len(self._read) + _SPARE:
            self._encoded = {key: self._encoded[key] for key in self._read}
        self._read.clear()
        return placed

    def _extended(self, items: Sequence[ItemContent]) -> Restored:
        known = set(self.restored.evidence.index.item_ids)
        base = self._base_with([one for one in items if one.item_id in known])
        added = [one for one in items if one.item_id not in known]
        return base.extended(added) if added else base.restored

    def prepare(self) -> None:
        """Load what reads the content of items, and solve what all new items have in common, so that the first one waits no longer."""
        if self._is_prepared:
            return
        self._is_prepared = True
        if isinstance(self.restored.model, FusionRecommender):
            self._base_with([]).prepare()
        for inputs in self.restored.evidence.inputs.values():
            if isinstance(inputs, TextInputs):
                inputs.encoder.encode([inputs.encoder.prepare(b"-")])

    def _base_with(self, changed: list[ItemContent]) -> "_Base":
        """The model with other content of items of the data; that of the last call is kept."""
        if self._base is None or self._base[0] != changed:
            restored = self.made_again(changed) if changed else self.restored
            self._base = changed, _Base(self, restored)
        return self._base[1]

    def made_again(self, items: Sequence[ItemContent]) -> Restored:
        """Return the model with these items as `place` does, from all of the data."""
        restored, evidence = self.restored, self.extended(self.restored.evidence, items, None, None)
        spec = spec_of(evidence, restored.spec.train)
        priors = extended_priors(restored.priors, spec.n_items)
        return restored._replace(evidence=evidence, spec=spec, priors=priors, model=self._model(spec, priors, evidence.graph))

    def extended(self, evidence: Evidence, items: Sequence[ItemContent], words: AddedWords | None, growth: GraphGrowth | None) -> Evidence:
        """Return evidence with further items, and with other content of its own.

        Args:
            evidence: that of the model.
            items: what is known of the items.
            words: extends the words if no item of the evidence changes; None: they are found again.
            growth: likewise, the graph.
        """
        settings, dataset, known = self.restored.settings, evidence.dataset, set(evidence.index.item_ids)
        added = [one for one in items if one.item_id not in known]
        rows = _rows(items, dataset)
        table = pl.concat([dataset.items.join(rows, on=ITEM_ID, how="anti"), rows])
        aligned = _aligned(dataset, items)
        heads = [(aligned.get(one.item_id, one.item_id), relation, tail) for one in items for relation, tail in one.triples]
        triples = dataset.triples
        if heads:
            new = pl.DataFrame(heads, schema={HEAD: pl.String, RELATION: pl.String, TAIL: pl.String}, orient="row")
            triples = new if triples is None else pl.concat([triples, new], how="diagonal").unique(maintain_order=True)
        entities = dataset.item_entities
        if entities is not None or any(one.entity is not None for one in items):
            entities = pl.DataFrame(
                {ITEM_ID: list(aligned), ENTITY: list(aligned.values())}, schema={ITEM_ID: pl.String, ENTITY: pl.String}
            )
        dataset = replace(dataset, items=table, triples=triples, item_entities=entities)
        ids = pl.concat([evidence.index.item_ids, pl.Series(ITEM_ID, [one.item_id for one in added], dtype=pl.String)])
        index = Index(evidence.index.user_ids, ids, evidence.index.events)
        places = index.item_idx([one.item_id for one in items])
        features = {name: self._features(name, found, items, rows, places, len(ids)) for name, found in evidence.features.items()}
        graph = None if evidence.graph is None or growth is None else growth.extended(rows, aligned, heads)
        if evidence.graph is not None and graph is None:
            encoder = self.restored.evidence.inputs[TEXT].encoder if TEXT in self.restored.evidence.inputs else None
            graph = load_graph(settings, dataset, index, encoder)[0]
        found = None
        if words is not None:
            found = words.extended(item_texts(rows, dataset.text_columns))
        elif evidence.words is not None:
            found = load_words(settings, dataset, index)
        return replace(evidence, dataset=dataset, index=index, features=features, graph=graph, words=found, inputs={})

    def _features(
        self, name: str, found: Features, items: Sequence[ItemContent], rows: pl.DataFrame, places: Tensor, n_items: int
    ) -> Features:
        """The features of a modality, with those of the items in their places."""
        values = torch.cat([found.values, found.values.new_zeros(n_items - len(found.values), found.values.shape[1])])
        present = torch.cat([found.present, found.present.new_zeros(n_items - len(found.present))])
        for row, (item, place) in enumerate(zip(items, places.tolist(), strict=True)):
            vector = self._vector(name, item, rows[row])
            if vector is not None:
                values[place], present[place] = vector, True
        return replace(found, values=values, present=present)

    def _vector(self, name: str, item: ItemContent, row: pl.DataFrame) -> Tensor | None:
        """The vector of an item's input, None if it has none. Raises DataError if it cannot be used."""
        evidence = self.restored.evidence
        if name not in evidence.inputs:
            return None
        raw = evidence.dataset.inputs[name]
        if raw.text_columns:
            text = item_texts(row, raw.text_columns)[0]
            content = None if text is None else Picture.of(text)
        else:
            content = item.shown if name == IMAGE else None
        if content is None:
            return None
        key = (name, content.digest)
        self._read.add(key)
        if key not in self._encoded:
            encoder = evidence.inputs[name].encoder
            try:
                self._encoded[key] = encoder.encode([encoder.prepare(content.read())])[0]
            except ValueError as error:
                raise DataError(f"{'picture' if name == IMAGE else name}: it cannot be used: {error}") from error
        return self._encoded[key]

    def _model(self, spec: DatasetSpec, priors: Priors, graph: Graph | None) -> Recommender:
        before = self.restored
        if isinstance(before.model, ClosedFormRecommender):
            return deepcopy(before.model).fit(spec)
        with torch.random.fork_rng(devices=[]):
            model = make_model(before.training.model, spec, priors, before.training.seed)
        state, fresh = before.model.state_dict(), model.state_dict()
        n_added = spec.n_items - before.spec.n_items
        names = None if graph is None or before.evidence.graph is None else (before.evidence.graph.entities, graph.entities)
        model.load_state_dict({name: _extended_tensor(name, state[name], fresh[name], n_added, names) for name in fresh})
        if isinstance(model, FusionRecommender):
            keep_scales(model, before.spec, spec)
        return model


class _Base:
    """A model that items are added to, with what all of them have in common, computed when it is first needed.

    Args:
        placer: of the original model.
        restored: this model.
    """

    def __init__(self, placer: ItemPlacer, restored: Restored) -> None:
        self._placer, self.restored = placer, restored

    def extended(self, added: Sequence[ItemContent]) -> Restored:
        """Return the model with items that its data do not have."""
        restored = self.restored
        evidence = self._placer.extended(restored.evidence, added, self._words, self._graph)
        spec = spec_of(evidence, restored.spec.train)
        priors = extended_priors(restored.priors, spec.n_items)
        model = self._model.extended(spec, priors["linear"], priors["trend"], self._kg_encoder(spec.graph))
        return restored._replace(evidence=evidence, spec=spec, priors=priors, model=model)

    def prepare(self) -> None:
        """Compute what all items have in common."""
        _ = self._words, self._graph, self._model

    @cached_property
    def _words(self) -> AddedWords | None:
        dataset, settings = self.restored.evidence.dataset, self.restored.settings
        if not settings.allows(TEXT) or not dataset.text_columns:
            return None
        return AddedWords(item_texts(self.restored.evidence.index.align(dataset.items), dataset.text_columns))

    @cached_property
    def _graph(self) -> GraphGrowth | None:
        graph, settings = self.restored.evidence.graph, self.restored.settings.graph
        if graph is None:
            return None
        return GraphGrowth(self.restored.evidence.dataset, settings.item_columns, settings.separator, settings.min_degree, graph)

    @cached_property
    def _model(self) -> FusionWithAddedItems:
        assert isinstance(self.restored.model, FusionRecommender)
        return FusionWithAddedItems(self.restored.model, self.restored.spec, self._placer.restored.spec)

    def _kg_encoder(self, graph: Graph | None) -> nn.Module | None:
        """The encoder with the learned tensors for an extended graph."""
        before, old = self.restored.model, self.restored.evidence.graph
        assert isinstance(before, FusionRecommender)
        if before.kg_encoder is None or graph is None or old is None:
            return None
        if graph.edge_type.equal(old.edge_type) and not (graph.item_entity[len(old.item_entity) :] >= 0).any():
            return before.kg_encoder
        with torch.random.fork_rng(devices=[]):
            made: nn.Module = self.restored.training.model.parts["kg_encoder"]()(graph=graph, embedding_dim=before.content_bias.in_features)
        state, fresh = before.kg_encoder.state_dict(), made.state_dict()
        names = old.entities, graph.entities
        made.load_state_dict({name: _extended_tensor(f"kg_encoder.{name}", state[name], fresh[name], 0, names) for name in fresh})
        return made.eval()


def _extended_tensor(name: str, old: Tensor, fresh: Tensor, n_added: int, entities: tuple[Sequence[str], Sequence[str]] | None) -> Tensor:
    """The learned values in the shape of the extended model: rows of entities by name, and rows of items or nodes that end with items."""
    if entities is not None and old.ndim and (len(old), len(fresh)) == (len(entities[0]), len(entities[1])) and "kg_encoder" in name:
        places = {entity: row for row, entity in enumerate(entities[0])}
        rows = torch.tensor([places.get(entity, -1) for entity in entities[1]])
        mean = old.float().mean(dim=0).to(old.dtype)
        return torch.where((rows >= 0).reshape(-1, *[1] * (old.ndim - 1)), old.index_select(0, rows.clamp(min=0)), mean)
    if old.shape == fresh.shape:
        return old
    if old.ndim and old.shape[1:] == fresh.shape[1:] and len(fresh) - len(old) == n_added:
        return torch.cat([old, fresh[len(old) :]])
    raise ConfigError(f"the model cannot take new items: `{name}` has shape {list(old.shape)}, and {list(fresh.shape)} with them")


def extended_priors(priors: Priors, n_items: int) -> Priors:
    """The priors with items that have no interactions: zero vectors, the lowest trend, and the half-life of all."""
    linear, trend, time = priors["linear"], priors["trend"], priors.get("time")
    if isinstance(linear, LinearFactors):
        more = n_items - len(linear.items)
        pad = [torch.cat([one, one.new_zeros(more, one.shape[1])]) for one in (linear.items, linear.of_items)]
        linear = LinearFactors(linear.users, *pad)
    if isinstance(trend, Tensor):
        trend = torch.cat([trend, trend.min().expand(n_items - len(trend))])
    return Priors(linear=linear, trend=trend, time=time.extended(n_items) if isinstance(time, Decay) else time)


def _rows(items: Sequence[ItemContent], dataset: Dataset) -> pl.DataFrame:
    """The rows of items as in the table of the data. Raises DataError if a column is unknown or a value not of its type."""
    schema = dataset.items.schema
    known = [name for name in schema if name != ITEM_ID]
    for item in items:
        for name in item.fields:
            if name not in known:
                raise DataError(f"fields: the items have no column `{name}`; {nearest(name, known)}")
    columns = [pl.Series(ITEM_ID, [one.item_id for one in items], dtype=pl.String)]
    for name in known:
        columns.append(_column(name, [one.fields.get(name) for one in items], schema[name]))
    return pl.DataFrame(columns).select(dataset.items.columns)


def _column(name: str, values: list[Any], dtype: pl.DataType) -> pl.Series:
    try:
        if dtype == pl.String:
            return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
        return pl.Series(name, values, strict=False).cast(dtype)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"fields: {name}: expected {dtype}, found `{next((v for v in values if v is not None), None)}`") from error


def _relations(restored: Restored) -> list[str]:
    triples = restored.evidence.dataset.triples
    return [] if triples is None or restored.evidence.graph is None else triples[RELATION].unique().sort().to_list()


def _aligned(dataset: Dataset, items: Sequence[ItemContent]) -> dict[str, str]:
    """By item_id, the entities of the data and of the given items; an added item of which none is told is its own."""
    table = dataset.item_entities
    own = dataset.items[ITEM_ID].to_list()
    found = dict(zip(own, own, strict=True)) if table is None else dict(table.select(ITEM_ID, ENTITY).iter_rows())
    known = set(own)
    for one in items:
        if one.entity is not None or one.item_id not in known:
            found[one.item_id] = one.entity or one.item_id
    return found
