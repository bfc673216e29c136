"""Add items to the tensors of a knowledge graph, without building it again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import final

import polars as pl
import torch

from mmrec.kg.graph import Triple, build_graph, column_values, drop_inverse_relations, inverse_relations
from mmrec.types import DATATYPE, ENTITY, HEAD, ITEM_ID, RELATION, TAIL, Dataset, Graph


@final
class GraphGrowth:
    """Extends a graph by the nodes of items and their edges, and by entities that were pruned and have enough neighbours with them.

    The result has the facts of a graph that is built from all data, with new entities and edges last. Relations are those of the graph.

    Args:
        dataset: the data of the graph.
        item_columns: columns of the items that became relations.
        separator: splits texts into values.
        min_degree: the number of neighbours of entities that are kept.
        graph: the tensors of the graph.
    """

    def __init__(self, dataset: Dataset, item_columns: Sequence[str], separator: str, min_degree: int, graph: Graph) -> None:
        built = build_graph(dataset, item_columns, separator)
        self._forward = inverse_relations(built)
        whole = drop_inverse_relations(built)
        self._network, self._items = whole.network, set(whole.item_entity.values())
        self._columns, self._separator, self._min_degree, self._graph = tuple(item_columns), separator, min_degree, graph
        self._idx = {name: idx for idx, name in enumerate(graph.entities)}
        self._relations = {name: idx for idx, name in enumerate(graph.relations)}
        self._literal_of_one = _literals_of_one(dataset)
        self._with_literals = {one.entity for one in built.literals}
        entities = dataset.items[ITEM_ID] if dataset.item_entities is None else dataset.item_entities[ENTITY]
        self._outside = {name for name in entities if name is not None and name not in self._network}

    def extended(self, items: pl.DataFrame, entities: Mapping[str, str], triples: Collection[Triple]) -> Graph | None:
        """Return the graph with these items, whose positions follow those of the others.

        Args:
            items: the rows of the items, in their order.
            entities: by item_id, the entity that each of them is if the graph contains it.
            triples: what they are related to.

        Returns:
            None if the graph has to be built again, since other items change: a literal of one of them is now shared, or it is mentioned
            for the first time.
        """
        if any((relation, tail) in self._literal_of_one for _, relation, tail in triples):
            return None
        facts, nodes = list(triples), dict[str, str]()
        mentioned = {end for head, _, tail in facts for end in (head, tail)}
        if not self._outside.isdisjoint(mentioned):
            return None
        for item_id in items[ITEM_ID]:
            entity = entities.get(item_id, item_id)
            if entity in self._network or entity in mentioned:
                nodes[item_id] = entity
        for column in self._columns:
            for item_id, value in column_values(items, column, self._separator).iter_rows():
                facts.append((nodes.setdefault(item_id, f"item:{item_id}"), column, f"{column}:{value}"))
        turned = [(tail, self._forward[name], head) if name in self._forward else (head, name, tail) for head, name, tail in facts]
        edges = {one: None for one in turned if one[1] in self._relations and not self._has(one)}
        new = self._new_nodes(edges, set(nodes.values()))
        if not self._with_literals.isdisjoint(new):
            return None
        return self._appended(new, self._edges_between(new, edges), [nodes.get(item_id) for item_id in items[ITEM_ID]])

    def _has(self, fact: Triple) -> bool:
        head, relation, tail = fact
        return head in self._idx and tail in self._idx and self._network.has_edge(head, tail, relation)

    def _new_nodes(self, edges: Iterable[Triple], of_items: set[str]) -> list[str]:
        """The nodes of the items, and further ones that pruning keeps with these edges, as far as the graph lacks them, sorted."""
        near: dict[str, set[str]] = {}
        for head, _, tail in edges:
            near.setdefault(head, set()).add(tail)
            near.setdefault(tail, set()).add(head)
        stays = {name for name in of_items if name not in self._idx}
        unseen = {name for name in [*near, *stays] if name not in self._idx}
        alive = set[str]()
        while unseen:
            alive |= unseen
            unseen = {one for name in unseen for one in self._neighbours(name, near) if one not in self._idx} - alive
        while weak := {name for name in alive - stays if self._degree(name, near, alive) < self._min_degree}:
            alive -= weak
        return sorted(alive)

    def _neighbours(self, name: str, near: Mapping[str, set[str]]) -> set[str]:
        before = {*self._network.succ[name], *self._network.pred[name]} if name in self._network else set[str]()
        return (before | near.get(name, set())) - {name}

    def _degree(self, name: str, near: Mapping[str, set[str]], alive: set[str]) -> int:
        return sum(one in self._idx or one in alive for one in self._neighbours(name, near))

    def _edges_between(self, new: Sequence[str], edges: Iterable[Triple]) -> list[Triple]:
        """The given edges, and those that new nodes had before they were pruned, as far as both ends are kept."""
        found = dict.fromkeys(edges)
        for name in new:
            if name in self._network:
                found |= {(name, relation, tail): None for _, tail, relation in self._network.out_edges(name, keys=True)}
                found |= {(head, relation, name): None for head, _, relation in self._network.in_edges(name, keys=True)}
        kept = {*new}
        return [one for one in found if all(end in self._idx or end in kept for end in (one[0], one[2])) and one[1] in self._relations]

    def _appended(self, new: Sequence[str], edges: Sequence[Triple], nodes: Sequence[str | None]) -> Graph:
        graph, places = self._graph, {name: idx for idx, name in enumerate(new, len(self._idx))}

        def idx(name: str | None) -> int:
            return -1 if name is None else self._idx.get(name, places.get(name, -1))

        rows = torch.tensor([(idx(head), self._relations[relation], idx(tail)) for head, relation, tail in edges], dtype=torch.int64)
        head, edge_type, tail = rows.reshape(-1, 3).unbind(1)
        return replace(
            graph,
            edge_index=torch.cat([graph.edge_index, torch.stack([head, tail])], dim=1),
            edge_type=torch.cat([graph.edge_type, edge_type]),
            n_entities=graph.n_entities + len(new),
            item_entity=torch.cat([graph.item_entity, torch.tensor([idx(name) for name in nodes], dtype=torch.int64)]),
            entities=(*graph.entities, *new),
        )


def _literals_of_one(dataset: Dataset) -> set[tuple[str, str]]:
    """The relations and values of literals that a single entity has: of a further one that has them too, they are no literals any more."""
    if dataset.triples is None or DATATYPE not in dataset.triples.columns:
        return set()
    marked = dataset.triples.drop_nulls([HEAD, RELATION, TAIL]).filter(pl.col(DATATYPE).is_not_null())
    alone = marked.filter(pl.col(HEAD).n_unique().over(RELATION, TAIL) == 1)
    return set(alone.select(RELATION, TAIL).iter_rows())
