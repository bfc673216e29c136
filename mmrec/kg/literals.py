"""Literals of a knowledge graph: years, numbers and texts that are features of entities rather than entities."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from mmrec.data.tables.literals import Literal, number_of
from mmrec.types import DATATYPE, HEAD, RELATION, TAIL, Features, Graph, Literals

MAX_DEVIATION = 5.0
_NUMBER = "number"


def numeric_relations(literals: Sequence[Literal]) -> dict[str, bool]:
    """The relations of literals, sorted, and whether all their values are numeric."""
    found = _table(literals).group_by(RELATION).agg(pl.col(_NUMBER).is_not_null().all()).sort(RELATION)
    return dict(found.iter_rows())


def numbers_of(literals: Sequence[Literal], entities: Sequence[str]) -> Literals | None:
    """The values of numeric relations, unscaled, in one column per relation; the mean if there are several. None if there are none."""
    relations = [name for name, is_numeric in numeric_relations(literals).items() if is_numeric]
    if not relations:
        return None
    known = pl.DataFrame({HEAD: entities}, schema={HEAD: pl.String}).with_row_index("idx")
    means = _table(literals).filter(pl.col(RELATION).is_in(relations)).group_by(HEAD, RELATION).agg(pl.col(_NUMBER).mean())
    wide = means.join(known, on=HEAD).sort("idx").pivot(RELATION, index="idx", values=_NUMBER, sort_columns=True)
    values = torch.from_numpy(wide.drop("idx").to_numpy(writable=True)).double()
    idx = torch.from_numpy(wide["idx"].to_numpy(writable=True)).long()
    present = values.isfinite()
    return Literals(idx, values.nan_to_num(), present, torch.arange(values.shape[1]))


def texts_of(literals: Sequence[Literal], entities: Sequence[str]) -> dict[int, str]:
    """The nonnumeric literals of each entity by its index, concatenated in the order of their relations."""
    numeric, place = numeric_relations(literals), {name: idx for idx, name in enumerate(entities)}
    found: dict[int, list[str]] = {}
    for one in literals:
        if not numeric[one.relation] and one.entity in place:
            found.setdefault(place[one.entity], []).append(one.value)
    return {idx: ". ".join(values) for idx, values in sorted(found.items())}


def add_texts(graph: Graph, entity_idx: Sequence[int], texts: Features) -> Graph:
    """Add text vectors as further literals of entities; each vector is present or absent as a whole."""
    kept = texts.present.nonzero().flatten()
    rows, width = torch.tensor(entity_idx)[kept], texts.values.shape[1]
    values, present = texts.values[kept].double(), torch.ones(len(kept), 1, dtype=torch.bool)
    old = graph.literals
    if old is None:
        return replace(graph, literals=Literals(rows, values, present, torch.zeros(width, dtype=torch.int64)))
    idx = torch.cat([old.entity_idx, rows]).unique()
    here, there = torch.searchsorted(idx, old.entity_idx), torch.searchsorted(idx, rows)
    n, n_old, groups = len(idx), old.values.shape[1], old.present.shape[1]
    all_values, all_present = values.new_zeros(n, n_old + width), present.new_zeros(n, groups + 1)
    all_values[here, :n_old], all_values[there, n_old:] = old.values, values
    all_present[here, :groups], all_present[there, groups:] = old.present, present
    group = torch.cat([old.group, torch.full((width,), groups)])
    return replace(graph, literals=Literals(idx, all_values, all_present, group))


def standardize(graph: Graph, known_items: Bool[Tensor, " n_items"]) -> Graph:
    """Standardise the literals of a graph to float32: centre each column, and scale each group of columns to unit variance on average.

    Means and variances are taken over all entities except those of items that are unknown in training. Values are clipped to
    `MAX_DEVIATION` from the mean; missing values and constant columns are zero.
    """
    literals = graph.literals
    if literals is None:
        return graph
    told, inside = torch.ones(graph.n_entities, dtype=torch.bool), graph.item_entity >= 0
    for is_known in (False, True):  # an entity of several items is known if one of them is
        told[graph.item_entity[inside & (known_items == is_known)]] = is_known
    values = torch.zeros(literals.values.shape)
    for group in range(literals.present.shape[1]):
        columns, shown = literals.group == group, literals.present[:, group]
        known = literals.values[shown & told[literals.entity_idx]][:, columns]
        if len(known):
            mean = known.mean(dim=0)
            scale = (known - mean).square().mean().sqrt()
            scaled = (literals.values[:, columns] - mean) / scale.clamp(min=1e-12)
            cut = scaled.clamp(-MAX_DEVIATION, MAX_DEVIATION) if scale > 0 else torch.zeros_like(scaled)
            values[:, columns] = torch.where(shown[:, None], cut, 0.0).float()
    return replace(graph, literals=replace(literals, values=values))


def _table(literals: Sequence[Literal]) -> pl.DataFrame:
    schema = dict.fromkeys((HEAD, RELATION, TAIL, DATATYPE), pl.String)
    return pl.DataFrame(list(literals), schema=schema, orient="row").with_columns(number_of(TAIL).alias(_NUMBER))
