"""Pretrain entity vectors of a knowledge graph, and evaluate them by link prediction on held-out triples."""

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from torch import Tensor, nn

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.pretrain import Card, Schedule
from mmrec.experiment.settings import GraphSettings
from mmrec.extras import needs
from mmrec.files.progress import progress
from mmrec.files.storage import write_json
from mmrec.kg.graph import build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.metrics.filtered_ranks import filtered_ranks
from mmrec.nn.encoders.entity_vectors import write_entity_vectors
from mmrec.types import TIMESTAMP, Dataset, Graph

KINDS = {"transe": "TransE", "distmult": "DistMult", "complex": "ComplEx", "rotate": "RotatE"}
"""By the name on the command line: the class in torch_geometric.nn.kge."""
_COMPLEX = ("complex", "rotate")
HELD_OUT_SHARE, MAX_HELD_OUT, MIN_TRIPLES, K = 0.1, 1000, 20, 10
_log = logging.getLogger(__name__)


def pretrain_graph(dataset: Dataset, settings: GraphSettings, kge: str, embedding_dim: int, output: Path, schedule: Schedule) -> Card:
    """Train a knowledge-graph embedding on nine tenths of the triples, evaluate it on the rest, and write its vectors to `output`.

    The returned card is also written to `<output>.json`, with the filtered mean reciprocal rank and hits@10 of heads and tails of held-out
    triples (at most 1,000), and the reciprocal rank of constant scores. The held-out triples select nothing. Complex vectors are written as
    their real and imaginary parts.

    Raises:
        ConfigError: an argument is invalid.
        DataError: there are too few triples, or they have times, which a later split by time may exclude.
    """
    if output.suffix != ".safetensors":
        raise ConfigError(f"output: expected a path that ends in .safetensors, found {output}")
    if kge not in KINDS:
        raise ConfigError(f"kge: expected one of {', '.join(KINDS)}, found {kge}")
    if kge in _COMPLEX and embedding_dim % 2:
        raise ConfigError(f"embedding_dim: expected an even number for {kge}, whose vectors are complex, found {embedding_dim}")
    start = time.perf_counter()
    graph = _read(dataset, settings)
    triples = torch.stack([graph.edge_index[0], graph.edge_type, graph.edge_index[1]], dim=1)
    order = torch.randperm(len(triples), generator=torch.Generator().manual_seed(schedule.seed))
    n_held = min(int(HELD_OUT_SHARE * len(triples)), MAX_HELD_OUT)
    held, train = triples[order[:n_held]], triples[order[n_held:]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        model = _fit(_make(kge, graph, embedding_dim), train, schedule)
    ranks = filtered_ranks(model.eval(), held, triples, graph.n_entities)
    card: Card = {
        "kge": kge,
        "data": dataset.name,
        "data_hash": dataset.content_hash,
        "embedding_dim": embedding_dim,
        **asdict(schedule),
        "n_entities": graph.n_entities,
        "n_relations": graph.n_relations,
        "n_triples": len(train),
        "n_held_out": n_held,
        "mrr": round(ranks.reciprocal().mean().item(), 4),
        f"hits@{K}": round((ranks <= K).float().mean().item(), 4),
        "mrr_of_equal_scores": round(2 / (graph.n_entities + 1), 4),
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_entity_vectors(output, _vectors(model), graph.entities)
    write_json(output.with_suffix(".json"), card)
    _log.info(f"{n_held:,} held-out triples, filtered: MRR {card['mrr']:.3f}, hits@{K} {card[f'hits@{K}']:.3f}; vectors: {output}")
    return card


def _read(dataset: Dataset, settings: GraphSettings) -> Graph:
    if dataset.triples is not None and TIMESTAMP in dataset.triples.columns:
        raise DataError(f"{dataset.name}: triples with a `{TIMESTAMP}` may be later than a split; pretrain on a file without that column")
    built = drop_inverse_relations(build_graph(dataset, settings.item_columns, settings.separator))
    graph = to_tensors(prune(built, settings.min_degree), [])
    if len(graph.edge_type) < MIN_TRIPLES:
        raise DataError(f"{dataset.name}: expected at least {MIN_TRIPLES} triples, found {len(graph.edge_type)}; see graph.item_columns")
    _log.info(f"{dataset.name}: {graph.n_entities:,} entities, {len(graph.edge_type):,} triples, {graph.n_relations} relations")
    return graph


def _make(kge: str, graph: Graph, embedding_dim: int) -> nn.Module:
    with needs("graph", "pretrain=kg"):
        import torch_geometric.nn.kge as kinds  # the import takes seconds

    model: nn.Module = getattr(kinds, KINDS[kge])(graph.n_entities, graph.n_relations, embedding_dim // (2 if kge in _COMPLEX else 1))
    return model


def _fit(model: Any, triples: Tensor, schedule: Schedule) -> nn.Module:
    """Minimise the model's own loss, with one corrupted triple per true one."""
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate)
    for _ in progress(range(schedule.epochs), "pretraining entities", schedule.epochs):
        for rows in torch.randperm(len(triples)).split(schedule.batch_size):
            optimizer.zero_grad()
            model.loss(*triples[rows].unbind(1)).backward()
            optimizer.step()
    fitted: nn.Module = model
    return fitted


def _vectors(model: Any) -> Tensor:
    parts = [model.node_emb] + ([model.node_emb_im] if hasattr(model, "node_emb_im") else [])
    return torch.cat([part.weight.detach() for part in parts], dim=1)
