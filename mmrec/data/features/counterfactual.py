"""Counterfactual evidence: shuffle, replace by noise or rewire the features or the graph of one modality.

If a modality contributes, a change lowers the metrics. Each change keeps the irrelevant properties (which items have the modality, the
scale of its features, the number of edges) and destroys the association between items and vectors or edges.
"""

from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.types import COLLABORATIVE, KG, TEXT, USER_TEXT, DatasetSpec, Features, Graph, ItemInputs, Literals, UserTexts, Words

SHUFFLED, NOISE, REWIRED = "shuffled", "noise", "rewired"
FEATURE_CHANGES = (SHUFFLED, NOISE)
GRAPH_CHANGES = (SHUFFLED, NOISE, REWIRED)


def change_features(features: Features, change: str, generator: torch.Generator) -> Features:
    """Change the features of a modality.

    Args:
        features: the original features.
        change: `shuffled`: the items that have the modality exchange their vectors at random. `noise`: vectors are drawn from a normal
            distribution with the mean and variance of each column.
        generator: the source of randomness.

    Raises:
        ValueError: an unknown change.
    """
    values, known = features.values.clone(), features.values[features.present]
    if change == SHUFFLED:
        values[features.present] = known[torch.randperm(len(known), generator=generator)]
    elif change == NOISE:
        draw = torch.randn(known.shape, generator=generator, dtype=known.dtype)
        values[features.present] = known.mean(dim=0) + known.std(dim=0, correction=0) * draw
    else:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, found {change}")
    return replace(features, values=values, encoder=f"{features.encoder}, {change}")


def change_words(words: Words, change: str, generator: torch.Generator) -> Words:
    """Change the words of texts, corresponding to `change_features`.

    `shuffled`: the items that have words exchange them. `noise`: words are permuted over all items, which keeps the number of words per
    item and of items per word. Raises ValueError for another change.
    """
    if change == NOISE:
        return replace(words, indices=_permuted(words.indices, generator))
    if change != SHUFFLED:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, found {change}")
    counts = words.indptr.diff()
    having = counts.nonzero().flatten()
    source = torch.arange(len(counts))
    source[having] = _permuted(having, generator)
    rows = [words.indices[words.indptr[item] : words.indptr[item + 1]] for item in source.tolist()]
    indptr = torch.cat([words.indptr[:1], counts[source].cumsum(0)])
    return replace(words, indptr=indptr, indices=torch.cat(rows) if rows else words.indices)


def change_texts(texts: tuple[str, ...], change: str, generator: torch.Generator) -> tuple[str, ...]:
    """Change the texts of items, empty where there is none: the items that have one exchange theirs, or get one of a random item.

    Raises ValueError for another change than `shuffled` and `noise`.
    """
    if change not in FEATURE_CHANGES:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, found {change}")
    known = torch.tensor([place for place, text in enumerate(texts) if text], dtype=torch.int64)
    drawn = _permuted(known, generator)
    if change == NOISE:
        drawn = known[torch.randint(max(1, len(known)), known.shape, generator=generator)]
    source = dict(zip(known.tolist(), drawn.tolist(), strict=True))
    return tuple(texts[source[place]] if place in source else "" for place in range(len(texts)))


def change_inputs(inputs: ItemInputs, change: str, generator: torch.Generator) -> ItemInputs:
    """Change the raw inputs of an encoder.

    `shuffled`: the items that have an input exchange them; with equal generators, in the same way as their features. `noise`: each gets the
    input of an item drawn with replacement. Raises ValueError for another change.
    """
    known = inputs.present.nonzero().squeeze(1)
    order = torch.arange(len(inputs.present))
    if change == SHUFFLED:
        order[known] = _permuted(known, generator)
    elif change == NOISE:
        order[known] = known[torch.randint(len(known), known.shape, generator=generator)]
    else:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, found {change}")
    return inputs.reordered(order)


def change_user_texts(texts: UserTexts, change: str, generator: torch.Generator) -> UserTexts:
    """Change the texts about users.

    `shuffled`: the users who have a text exchange it, with those of all folds. `noise`: as for other features and inputs. Raises
    ValueError for another change.
    """
    if change == NOISE:
        inputs = texts.inputs and change_inputs(texts.inputs, change, generator)
        return replace(texts, features=change_features(texts.features, change, generator), inputs=inputs)
    if change != SHUFFLED:
        raise ValueError(f"expected one of {', '.join(FEATURE_CHANGES)}, found {change}")
    n_users = len(texts.features.present) // (1 + texts.n_folds)
    having, users = texts.features.present[:n_users].nonzero().flatten(), torch.arange(n_users)
    users[having] = _permuted(having, generator)
    order = (torch.arange(1 + texts.n_folds)[:, None] * n_users + users).flatten()
    features = Features(texts.features.values[order], texts.features.present[order], f"{texts.features.encoder}, {change}")
    return replace(texts, features=features, inputs=texts.inputs and texts.inputs.reordered(order))


def change_graph(graph: Graph, change: str, generator: torch.Generator) -> Graph:
    """Change the knowledge graph.

    `shuffled`: the linked items exchange their entities at random. `noise`: both ends of every edge are drawn uniformly from all entities,
    and literals from a normal distribution with the mean and variance of their columns. `rewired`: the edges of each relation exchange
    their tails, which preserves the degrees of all entities (the configuration model; Newman, "The structure and function of complex
    networks", SIAM Review 45(2), 2003, section IV.B), and entities exchange their literals. Raises ValueError for another change.
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
    raise ValueError(f"expected one of {', '.join(GRAPH_CHANGES)}, found {change}")


def _change_literals(literals: Literals | None, change: str, generator: torch.Generator) -> Literals | None:
    """Change the literals of a graph that is `NOISE` or `REWIRED`: each group of columns among the entities that have it."""
    if literals is None:
        return None
    values = literals.values.clone()
    for group in range(literals.present.shape[1]):
        columns, shown = literals.group == group, literals.present[:, group]
        block = Features(values[:, columns], shown)
        values[:, columns] = change_features(block, NOISE if change == NOISE else SHUFFLED, generator).values
    return replace(literals, values=values)


def changes_of(modality: str) -> tuple[str, ...]:
    """The changes that apply to a modality; none to the interactions."""
    return () if modality == COLLABORATIVE else GRAPH_CHANGES if modality == KG else FEATURE_CHANGES


def change_spec(spec: DatasetSpec, modality: str, change: str, seed: int) -> DatasetSpec:
    """A copy of the specification with one content modality changed, as a function of the seed."""
    generator = torch.Generator().manual_seed(seed)
    if modality == KG:
        if spec.graph is None:
            raise ValueError("expected a dataset with a graph, found one without")
        return replace(spec, graph=change_graph(spec.graph, change, generator))
    if modality == USER_TEXT:
        if spec.user_texts is None:
            raise ValueError("expected a dataset with texts about users, found one without")
        return replace(spec, user_texts=change_user_texts(spec.user_texts, change, generator))
    features = spec.features | {modality: change_features(spec.features[modality], change, generator)}
    inputs = dict(spec.item_inputs)
    if modality in inputs:
        inputs[modality] = change_inputs(inputs[modality], change, torch.Generator().manual_seed(seed))
    words = spec.words
    if modality == TEXT and words is not None:
        words = change_words(words, change, torch.Generator().manual_seed(seed))
    queries = spec.queries
    if modality == TEXT and queries is not None:
        queries = replace(queries, item_texts=change_texts(queries.item_texts, change, torch.Generator().manual_seed(seed)))
    return replace(spec, features=features, item_inputs=inputs, words=words, queries=queries)


def _permuted(values: Int64[Tensor, " n"], generator: torch.Generator) -> Int64[Tensor, " n"]:
    return values[torch.randperm(len(values), generator=generator)]
