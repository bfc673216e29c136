"""The knowledge graph: triples and item columns as a networkx graph with items aligned to nodes, and its conversion to tensors.

Nodes are entity names and edges are keyed by relation, so that repeated facts are one edge. A value of an item column is a node of its own,
`genre:Drama`, which the relation `genre` connects to the item. Literals are not nodes, see `mmrec.kg.literals`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import torch

from mmrec.data.tables.literals import Literal, split_literals
from mmrec.errors import DataError, nearest
from mmrec.files.storage import write_atomic
from mmrec.kg.literals import numbers_of
from mmrec.types import DATATYPE, ENTITY, HEAD, ITEM_ID, RELATION, TAIL, Dataset, Graph

Triple = tuple[str, str, str]

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class KnowledgeGraph:
    """Entities and relations by name, with the alignment of items to entities."""

    network: nx.MultiDiGraph
    """Nodes are entity names; edge keys are relations."""
    item_entity: Mapping[str, str]
    """The node of each item by item id; items outside the graph are absent."""
    literals: tuple[Literal, ...] = ()
    """The literal attributes of nodes, sorted."""

    @property
    def entities(self) -> list[str]:
        """Entity names in the order of their indices in `to_tensors`."""
        return sorted(self.network)

    @property
    def relations(self) -> list[str]:
        """Relation names in the order of their indices in `to_tensors`."""
        return sorted({relation for _, _, relation in self.network.edges(keys=True)})

    @property
    def triples(self) -> list[Triple]:
        """The triples (head, relation, tail), sorted."""
        return sorted((head, relation, tail) for head, tail, relation in self.network.edges(keys=True))


def build_graph(dataset: Dataset, item_columns: Sequence[str], separator: str) -> KnowledgeGraph:
    """Build the graph of a dataset's triples and of item columns.

    The node of an item is its entity in `item_entities`, or its own id if the dataset has no such table, provided that triples mention it.
    An item that no triple mentions gets the node `item:<id>` if an item column has a value for it, and otherwise none.

    Args:
        dataset: the dataset.
        item_columns: columns of the items that become relations.
        separator: splits texts into values; "" leaves them whole.

    Raises:
        DataError: a column does not exist, or an item has several entities.
    """
    network, literals = nx.MultiDiGraph(), list[Literal]()
    if dataset.triples is not None:
        facts, literals = split_literals(dataset.triples.drop_nulls([HEAD, RELATION, TAIL]))
        _add(network, facts.iter_rows())
        network.add_nodes_from(one.entity for one in literals)
    item_entity = {item: entity for item, entity in _alignment(dataset).items() if entity in network}
    for column in item_columns:
        values = column_values(dataset.items, column, separator)
        for item in values[ITEM_ID].unique():
            item_entity.setdefault(item, f"item:{item}")
        _add(network, ((item_entity[item], column, f"{column}:{value}") for item, value in values.iter_rows()))
    return KnowledgeGraph(network, item_entity, tuple(literals))


def _add(network: nx.MultiDiGraph, triples: Iterable[Triple]) -> None:
    network.add_edges_from((head, tail, relation) for head, relation, tail in triples)


def _alignment(dataset: Dataset) -> dict[str, str]:
    """The entity of each item, whether or not the graph contains it."""
    items = dataset.items[ITEM_ID]
    if dataset.item_entities is None:
        return {item: item for item in items}
    named = dataset.item_entities.select(ITEM_ID, ENTITY).drop_nulls().unique(maintain_order=True)
    twice = named.filter(pl.col(ITEM_ID).is_duplicated())
    if len(twice):
        item = twice[ITEM_ID][0]
        entities = twice.filter(pl.col(ITEM_ID) == item)[ENTITY].to_list()
        raise DataError(
            f"{dataset.name}: item_entities gives item `{item}` {len(entities)} entities, `{'`, `'.join(entities)}`; expected one an item"
        )
    return dict(named.join(items.to_frame(), on=ITEM_ID, how="semi").iter_rows())


def column_values(items: pl.DataFrame, column: str, separator: str) -> pl.DataFrame:
    """The table `item_id, value` of a column with one row per value, stripped and nonempty.

    Elements of lists, also of nested ones, are values; other types are converted to text and split at `separator`.

    Raises:
        DataError: the column does not exist, or contains structs.
    """
    if column not in items.columns:
        raise DataError(f"the items have no column `{column}`; {nearest(column, items.columns)}")
    frame = items.select(ITEM_ID, pl.col(column).alias("value"))
    is_list = frame.schema["value"].is_nested()
    while isinstance(frame.schema["value"], pl.List | pl.Array):
        frame = frame.explode("value")
    if frame.schema["value"].is_nested():
        raise DataError(f"graph.item_columns: expected values or lists of them in `{column}`, it holds {items.schema[column]}")
    frame = frame.with_columns(pl.col("value").cast(pl.String, strict=False))
    if separator and not is_list:
        frame = frame.with_columns(pl.col("value").str.split(separator)).explode("value")
    return frame.with_columns(pl.col("value").str.strip_chars()).filter(pl.col("value").str.len_chars() > 0)


def prune(graph: KnowledgeGraph, min_degree: int) -> KnowledgeGraph:
    """Remove entities with fewer than `min_degree` neighbours, repeatedly until none is left; items always stay.

    An entity with a single neighbour connects no two items: it costs a row of parameters without contributing information.
    """
    network, items = graph.network.copy(), set(graph.item_entity.values())
    suspects = set(network) - items
    while suspects:
        weak = {node for node in suspects if len(_neighbours(network, node)) < min_degree}
        suspects = {neighbour for node in weak for neighbour in _neighbours(network, node)} - weak - items
        network.remove_nodes_from(weak)
    return replace(graph, network=network, literals=tuple(one for one in graph.literals if one.entity in network))


def _neighbours(network: nx.MultiDiGraph, node: str) -> set[str]:
    """The other nodes connected to a node by an edge in either direction."""
    return (set(network.succ[node]) | set(network.pred[node])) - {node}


def inverse_relations(graph: KnowledgeGraph) -> dict[str, str]:
    """Relations that repeat another one in reverse (`directed` and `directed_by`): the later one in sorted order to the first."""
    forward: dict[str, set[tuple[str, str]]] = {}
    for head, tail, relation in graph.network.edges(keys=True):
        forward.setdefault(relation, set()).add((head, tail))
    names = sorted(forward)
    twins: dict[str, str] = {}
    for i, first in enumerate(names):
        backward = {(tail, head) for head, tail in forward[first]} if first not in twins else set()
        twins |= {later: first for later in names[i + 1 :] if later not in twins and forward[later] == backward}
    return twins


def drop_inverse_relations(graph: KnowledgeGraph) -> KnowledgeGraph:
    """Remove relations that repeat another one in reverse: encoders pass messages in both directions of every edge anyway."""
    twins, network = inverse_relations(graph), graph.network.copy()
    network.remove_edges_from([edge for edge in graph.network.edges(keys=True) if edge[2] in twins])
    return replace(graph, network=network)


def to_tensors(graph: KnowledgeGraph, item_ids: Sequence[str]) -> Graph:
    """Convert the graph to tensors. Indices follow sorted names, so equal facts give equal tensors; `item_entity` follows `item_ids`."""
    entity_idx = {name: idx for idx, name in enumerate(graph.entities)}
    relation_idx = {name: idx for idx, name in enumerate(graph.relations)}
    rows = [(entity_idx[head], relation_idx[relation], entity_idx[tail]) for head, relation, tail in graph.triples]
    head, edge_type, tail = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).unbind(1)
    item_entity = [entity_idx[graph.item_entity[item]] if item in graph.item_entity else -1 for item in item_ids]
    return Graph(
        edge_index=torch.stack([head, tail]),
        edge_type=edge_type.contiguous(),
        n_entities=len(entity_idx),
        n_relations=len(relation_idx),
        item_entity=torch.tensor(item_entity, dtype=torch.int64),
        entities=tuple(entity_idx),
        literals=numbers_of(graph.literals, graph.entities),
        relations=tuple(relation_idx),
    )


def statistics(graph: KnowledgeGraph, item_ids: Sequence[str]) -> dict[str, Any]:
    """Statistics of a graph for a report, as a JSON-serialisable dictionary. Degrees count neighbours, not edges."""
    network = graph.network
    degrees = [len(_neighbours(network, node)) for node in network]
    aligned = sum(item in graph.item_entity for item in item_ids)
    components = sorted((len(nodes) for nodes in nx.weakly_connected_components(network)), reverse=True)
    return {
        "entities": network.number_of_nodes(),
        "relations": len(graph.relations),
        "triples": network.number_of_edges(),
        "triples_by_relation": dict(Counter(relation for _, relation, _ in graph.triples).most_common()),
        "inverse_relations": inverse_relations(graph),
        "literals": len(graph.literals),
        "literals_by_relation": dict(Counter(one.relation for one in graph.literals).most_common()),
        "items_aligned": aligned,
        "items_outside": len(item_ids) - aligned,
        "components": len(components),
        "largest_component": components[0] if components else 0,
        "degree_quantiles": {str(q): float(np.quantile(degrees, q)) for q in QUANTILES} if degrees else {},
        "isolated": degrees.count(0),
    }


def write_graphml(graph: KnowledgeGraph, path: Path) -> None:
    """Write GraphML for Gephi, Cytoscape or networkx, with names as `label` (nodes) and `relation` (edges), and items marked by `item_id`.

    Node and edge ids are `n0, n1, …` and `e0, e1, …`, since the format requires unique tokens. Literals are nodes `l0, l1, …` with a
    `datatype`.
    """
    export, idx = nx.MultiDiGraph(), {name: f"n{i}" for i, name in enumerate(graph.entities)}
    export.add_nodes_from((node, {"label": _xml_text(name)}) for name, node in idx.items())
    for entity, items in _items_by_entity(graph):
        export.nodes[idx[entity]]["item_id"] = _xml_text(" ".join(items))
    for i, (head, relation, tail) in enumerate(graph.triples):
        export.add_edge(idx[head], idx[tail], key=f"e{i}", relation=_xml_text(relation))
    values = {value: f"l{i}" for i, value in enumerate(sorted({(one.value, one.datatype) for one in graph.literals}))}
    export.add_nodes_from((node, {"label": _xml_text(label), DATATYPE: _xml_text(kind)}) for (label, kind), node in values.items())
    for i, one in enumerate(graph.literals, len(graph.triples)):
        export.add_edge(idx[one.entity], values[one.value, one.datatype], key=f"e{i}", relation=_xml_text(one.relation))
    write_atomic(path, lambda temporary: nx.write_graphml_xml(export, temporary, prettyprint=False))


def _items_by_entity(graph: KnowledgeGraph) -> Iterator[tuple[str, list[str]]]:
    """Every node that belongs to items, with its items (usually one)."""
    pairs = sorted((entity, item) for item, entity in graph.item_entity.items())
    starts = [i for i, (entity, _) in enumerate(pairs) if i == 0 or pairs[i - 1][0] != entity]
    return ((pairs[a][0], [item for _, item in pairs[a:b]]) for a, b in pairwise([*starts, len(pairs)]))


def _xml_text(text: str) -> str:
    """Replace the characters that XML 1.0 cannot represent by U+FFFD."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
