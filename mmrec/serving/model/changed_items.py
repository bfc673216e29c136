"""Put items into a served model, and remove some: each time another model, made from the one before any change."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.errors import ConfigError, DataError, nearest
from mmrec.experiment.run.item_source import ItemContent, Picture
from mmrec.serving.events.event_store import EventStore
from mmrec.serving.index.exact import ExactIndex
from mmrec.serving.index.extended_index import extend_index
from mmrec.serving.index.item_index import ItemIndex
from mmrec.serving.model.catalogue import Catalogue
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import CANNOT_PLACE, INVALID, Refused
from mmrec.types import IMAGE, ITEM_ID

_FIELDS, _PICTURE, _TRIPLES, _ENTITY = "fields", "picture", "triples", "entity"
_log = logging.getLogger(__name__)


def check_item(model: ServedModel, item: ItemContent) -> tuple[str, ...]:
    """Return the kinds of content that decide on the place of an item; none if the model keeps that of an item of its data.

    Raises:
        Refused: the model cannot place it, or its content is invalid.
    """
    origin = model.origin
    try:
        if item.item_id in origin.catalogue.places and not origin.places_items:
            _check_fields(origin, item)
            return ()
        return origin.placer.check(item)
    except DataError as error:
        raise Refused(INVALID, str(error)) from error
    except ConfigError as error:
        raise Refused(CANNOT_PLACE, str(error)) from error


def with_items(model: ServedModel, items: Mapping[str, ItemContent], removed: Collection[str]) -> ServedModel:
    """Return the model with these items in place of those put before, and without those that are removed.

    Raises:
        Refused: the model cannot place an item.
    """
    origin = model.origin
    if items == model.added:
        return replace(model, catalogue=model.catalogue.without(removed), base=origin)
    if not items:
        return replace(origin, catalogue=origin.catalogue.without(removed), base=origin)
    if not origin.places_items:
        catalogue = _updated(origin.catalogue, items)
        return replace(origin, catalogue=catalogue.without(removed), added=dict(items), base=origin)
    try:
        restored = origin.placer.place(list(items.values()))
    except ConfigError as error:
        raise Refused(CANNOT_PLACE, str(error)) from error
    scorer = restored.model.freeze()
    vectors, evidence = scorer.vectors(), restored.evidence
    catalogue = Catalogue(evidence.index.align(evidence.dataset.items), has_image=_has_image(origin, evidence.index.item_ids, items))
    return replace(
        origin,
        catalogue=catalogue.without(removed),
        scorer=scorer,
        of_histories=None if origin.of_histories is None else scorer,
        index=None if vectors is None else _index(origin, vectors.items),
        restored=restored,
        added=dict(items),
        base=origin,
        features={},
    )


def _index(origin: ServedModel, items: Float[Tensor, "n_items dim"]) -> ItemIndex:
    """The index with the items that were put; an approximate one, which takes minutes to build, is kept as far as items are as before."""
    before = origin.scorer.vectors()
    if origin.index is None or before is None or isinstance(origin.index, ExactIndex):
        return ExactIndex(items)
    return extend_index(origin.index, before.items, items) or ExactIndex(items)


def stored_fields(item: ItemContent) -> dict[str, Any]:
    """An item as the store keeps it, beside the bytes of its picture."""
    found: dict[str, Any] = {_FIELDS: dict(item.fields), _TRIPLES: [list(pair) for pair in item.triples], _ENTITY: item.entity}
    return found if item.shown is None else found | {_PICTURE: item.shown.digest}


def with_stored_picture(item: ItemContent, store: EventStore) -> ItemContent:
    """Return an item whose picture is read from the store when it is needed."""
    return item if item.shown is None else replace(item, picture=_picture_in(store, item.shown.digest))


def with_stored(model: ServedModel, store: EventStore) -> ServedModel:
    """Return the model with the items of a store. Those that it cannot place are left out, which the log says."""
    items, removed = dict[str, ItemContent](), set[str]()
    for item_id, fields, is_removed in store.items():
        if is_removed:
            removed.add(item_id)
            continue
        triples = [(str(relation), str(tail)) for relation, tail in fields.get(_TRIPLES, [])]
        picture = fields.get(_PICTURE)  # bytes, if an earlier version put it
        found = _picture_in(store, picture) if isinstance(picture, str) else picture
        item = ItemContent(item_id, fields.get(_FIELDS, {}), found, triples, fields.get(_ENTITY))
        try:
            if model.added.get(item_id) != item:
                check_item(model, item)
            items[item_id] = item
        except Refused as error:
            _log.warning(f"serve: an item of the store is left out: {error}")
    return with_items(model, items, removed)


def _picture_in(store: EventStore, digest: str) -> Picture:
    def read() -> bytes:
        found = store.picture(digest)
        if found is None:
            raise ValueError("the store has no such picture any more")
        return found

    return Picture(digest, read)


def _check_fields(origin: ServedModel, item: ItemContent) -> None:
    columns = [name for name in origin.catalogue.items.columns if name != ITEM_ID]
    for name in item.fields:
        if name not in columns:
            raise DataError(f"fields: the items have no column `{name}`; {nearest(name, columns)}")
        kind = origin.catalogue.items.schema[name]
        try:
            _as_kind(item.fields[name], kind)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"fields: {name}: expected {kind}, found `{item.fields[name]}`") from error


def _as_kind(value: object, kind: pl.DataType) -> object:
    """A value as one of a column. Raises if it is none."""
    return pl.Series([value], strict=False).cast(kind)[0]


def _updated(catalogue: Catalogue, items: Mapping[str, ItemContent]) -> Catalogue:
    """The catalogue with the fields of items that it has, whose types fit."""
    rows = {catalogue.places[item_id]: item for item_id, item in items.items()}
    columns = []
    for column in catalogue.items.iter_columns():
        values = column.to_list()
        for idx, item in rows.items():
            if column.name in item.fields:
                values[idx] = _as_kind(item.fields[column.name], column.dtype)
        columns.append(pl.Series(column.name, values, dtype=column.dtype))
    return replace(catalogue, items=pl.DataFrame(columns))


def _has_image(origin: ServedModel, item_ids: pl.Series, items: Mapping[str, ItemContent]) -> Bool[Tensor, " n_items"] | None:
    before = origin.catalogue.has_image
    if before is None and (origin.restored is None or IMAGE not in origin.restored.evidence.features):
        return None
    found = torch.zeros(len(item_ids), dtype=torch.bool) if before is None else F.pad(before, (0, len(item_ids) - len(before)))
    for idx, item_id in enumerate(item_ids):
        if item_id in items and items[item_id].picture is not None:
            found[idx] = True
    return found
