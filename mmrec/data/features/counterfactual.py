"""What would be if a kind of evidence said nothing: its features or its graph shuffled, replaced with noise, or rewired.

A modality that is worth something costs something when it is changed. A change keeps what does not matter (which items have the modality,
the scale of its features, the number of edges) and breaks what does: which item a vector or an edge belongs to.
"""

from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.types import COLLABORATIVE, KG, TEXT, DatasetSpec, Features, Graph, ItemInputs, Literals, Words

SHUFFLED, NOISE, REWIRED = "shuffled", "noise", "rewired"
FEATURE_CHANGES = (SHUFFLED, NOISE)
GRAPH_CHANGES = (SHUFFLED, NOISE, REWIRED)


def change_features(features: Features, change: str, generator: torch.Generator) -> Features:
    """The features of a modality after a change.

    `shuffled`: the items that have it exchange their vectors at random. `noise`: every vector is drawn from a normal distribution with the
    mean and variance of its columns. Raises ValueError for another change.
    """
    values, known = features.values.clone(), features.values[features.present]
    if change == SHUFFLED:
        values[features.present] = known[torch.randperm(len(known), generator=generator)]
    elif change == NOISE:
        draw = torch.randn(known.shape, generator=generator, dtype=known.dtype)
        values[features.present] = known.mean(dim=0) + known.std(dim=0, correction=0) * draw
    else:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, came {change}")
    return replace(features, values=values, encoder=f"{features.encoder}, {change}")


def change_words(words: Words, change: str, generator: torch.Generator) -> Words:
    """The words of the texts after the change that `change_features` makes of their vectors.

    `shuffled`: the items that have words exchange them. `noise`: every item keeps how many it has, every word how many items. Raises
    ValueError for another change.
    """
    if change == NOISE:
        return replace(words, indices=_permuted(words.indices, generator))
    if change != SHUFFLED:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, came {change}")
    counts = words.indptr.diff()
    having = counts.nonzero().flatten()
    source = torch.arange(len(counts))
    source[having] = _permuted(having, generator)
    rows = [words.indices[words.indptr[item] : words.indptr[item + 1]] for item in source.tolist()]
    indptr = torch.cat([words.indptr[:1], counts[source].cumsum(0)])
    return replace(words, indptr=indptr, indices=torch.cat(rows) if rows else words.indices)


def change_inputs(inputs: ItemInputs, change: str, generator: torch.Generator) -> ItemInputs:
    """The inputs of an encoder after a change.

    `shuffled`: the items that have one exchange theirs, with equal generators as their features do. `noise`: each gets that of an item
    drawn from all that have one. Raises ValueError for another change.
    """
    known = inputs.present.nonzero().squeeze(1)
    order = torch.arange(len(inputs.present))
    if change == SHUFFLED:
        order[known] = _permuted(known, generator)
    elif change == NOISE:
        order[known] = known[torch.randint(len(known), known.shape, generator=generator)]
    else:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, came {change}")
    return inputs.reordered(order)


def change_graph(graph: Graph, change: str, generator: torch.Generator) -> Graph:
    """The graph after a change.

    `shuffled`: the items in it exchange their entities at random. `noise`: both ends of every edge are drawn from all entities, literals
    from a normal distribution with the mean and variance of their columns. `rewired`: the edges of each relation exchange their tails, so
    that every entity keeps its degrees (the configuration model, Newman 2003, section IV.B), and entities their literals. Raises ValueError
    for another change.
    """
    if change == SHUFFLED:
        entity, inside = graph.item_entity.clone(), graph.item_entity >= 0
        entity[inside] = _permuted(entity[inside], generator)
        return replace(graph, item_entity=entity)
    if change == NOISE:
        edges = torch.randint(graph.n_entities, graph.edge_index.shape, generator=generator)
        return replace(graph, edge_index=edges, literals=_change_literals(graph.literals, change, generator))
    if change == REWIRED:
        tails = graph.edge_index[1].clone()
        for relation in range(graph.n_relations):
            rows = graph.edge_type == relation
            tails[rows] = _permuted(tails[rows], generator)
        edges = torch.stack([graph.edge_index[0], tails])
        return replace(graph, edge_index=edges, literals=_change_literals(graph.literals, change, generator))
    raise ValueError(f"expected one of {', '.join(GRAPH_CHANGES)}, came {change}")


def _change_literals(literals: Literals | None, change: str, generator: torch.Generator) -> Literals | None:
    """The literals of a graph that is `NOISE` or `REWIRED`, each group of columns among the entities that have it."""
    if literals is None:
        return None
    values = literals.values.clone()
    for group in range(literals.present.shape[1]):
        columns, shown = literals.group == group, literals.present[:, group]
        block = Features(values[:, columns], shown)
        values[:, columns] = change_features(block, NOISE if change == NOISE else SHUFFLED, generator).values
    return replace(literals, values=values)


def changes_of(modality: str) -> tuple[str, ...]:
    """What can be done to a kind of evidence; to the interactions nothing."""
    return () if modality == COLLABORATIVE else GRAPH_CHANGES if modality == KG else FEATURE_CHANGES


def change_spec(spec: DatasetSpec, modality: str, change: str, seed: int) -> DatasetSpec:
    """The same data with one kind of content evidence changed; the same seed gives the same change."""
    generator = torch.Generator().manual_seed(seed)
    if modality == KG:
        if spec.graph is None:
            raise ValueError("expected a dataset with a graph, came one without")
        return replace(spec, graph=change_graph(spec.graph, change, generator))
    features = spec.features | {modality: change_features(spec.features[modality], change, generator)}
    inputs = dict(spec.item_inputs)
    if modality in inputs:
        inputs[modality] = change_inputs(inputs[modality], change, torch.Generator().manual_seed(seed))
    words = spec.words
    if modality == TEXT and words is not None:
        words = change_words(words, change, torch.Generator().manual_seed(seed))
    return replace(spec, features=features, item_inputs=inputs, words=words)


def _permuted(values: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
    return values[torch.randperm(len(values), generator=generator)]
