"""Which relational encoder is worth its time: link prediction on real triples, a step's cost as a ratio; and propagation against a peer's.

    python scripts/bench_knowledge.py triples.csv        # columns head, relation, tail in this order; .csv, or tab-separated otherwise

Relations that repeat another backwards are dropped before triples are held out: else the answer to a held-out triple stands in the graph.
"""

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import polars as pl
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn
from torch_geometric.nn import LGConv

from mmrec.kg.graph import KnowledgeGraph, build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.nn.encoders.convolutions import GraphTransformerEncoder, HGTEncoder, RGCNConvEncoder
from mmrec.nn.encoders.knowledge import CompGCNEncoder, RGCNEncoder
from mmrec.nn.link_prediction import link_prediction_loss, sample_triples
from mmrec.nn.propagation import normalized_bipartite, symmetric_propagation
from mmrec.types import Dataset, Graph

DIM, BATCH, N_NEGATIVES = 64, 2048, 32


class Embeddings(nn.Module):
    """DistMult without any message: what the encoders must beat."""

    def __init__(self, graph: Graph, embedding_dim: int) -> None:
        super().__init__()
        self.entities = nn.Parameter(nn.init.xavier_normal_(torch.empty(graph.n_entities, embedding_dim)))
        self.relation_embeddings = nn.Parameter(nn.init.xavier_normal_(torch.empty(graph.n_relations, embedding_dim)))

    def forward(self) -> Tensor:
        return self.entities


ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "DistMult alone": Embeddings,
    "CompGCN, 1 layer": partial(CompGCNEncoder, n_layers=1, dropout=0.1),
    "CompGCN, 2 layers": partial(CompGCNEncoder, n_layers=2, dropout=0.1),
    "R-GCN, 1 layer": partial(RGCNEncoder, n_layers=1, dropout=0.1, n_bases=8),
    "R-GCN, 2 layers": partial(RGCNEncoder, n_layers=2, dropout=0.1, n_bases=8),
    "graph transformer, 1 layer": partial(GraphTransformerEncoder, n_layers=1, dropout=0.1, n_heads=4),
    "HGT, 1 layer": partial(HGTEncoder, n_layers=1, dropout=0.1, n_heads=4),
}


def read_graph(path: Path, min_degree: int) -> KnowledgeGraph:
    """The triples of a file, inverse twins dropped, entities with few neighbours too."""
    triples = pl.read_csv(
        path,
        separator="," if path.suffix == ".csv" else "\t",
        infer_schema=False,
        new_columns=["head", "relation", "tail"],
        glob=False,
    )
    dataset = Dataset(
        path.stem, path.parent, pl.DataFrame(), pl.DataFrame({"item_id": []}, schema={"item_id": pl.String}), (), triples=triples
    )
    return prune(drop_inverse_relations(build_graph(dataset, [], "")), min_degree)


def hold_out(graph: Graph, n: int, seed: int) -> tuple[Graph, Tensor]:
    """The graph without `n` random triples, and those: (n, 3)."""
    order = torch.randperm(len(graph.edge_type), generator=torch.Generator().manual_seed(seed))
    held, kept = order[:n], order[n:].sort().values
    triples = torch.stack([graph.edge_index[0, held], graph.edge_type[held], graph.edge_index[1, held]], dim=1)
    return replace(graph, edge_index=graph.edge_index[:, kept], edge_type=graph.edge_type[kept]), triples


def ranks(entities: Tensor, relations: Tensor, full: Graph, triples: Tensor) -> Tensor:
    """The rank of each triple's tail among all entities, other known tails left out (the filtered setting); ties count half."""
    known: dict[tuple[int, int], list[int]] = {}
    for head, relation, tail in zip(*full.edge_index[:1].tolist(), full.edge_type.tolist(), full.edge_index[1].tolist(), strict=True):
        known.setdefault((head, relation), []).append(tail)
    found = []
    for chunk in triples.split(256):
        head, relation, tail = chunk.unbind(1)
        scores = (entities[head] * relations[relation]) @ entities.T
        truth = scores.gather(1, tail[:, None])
        for row, key in enumerate(zip(head.tolist(), relation.tolist(), strict=True)):
            scores[row, known[key]] = -torch.inf
        found.append(1 + (scores > truth).sum(1) + 0.5 * (scores == truth).sum(1))
    return torch.cat(found)


def train(encoder: nn.Module, graph: Graph, seconds: float, seed: int) -> int:
    """Adam on the link-prediction loss for that long; returns the steps."""
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
    generator, end, steps = torch.Generator().manual_seed(seed), time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        optimizer.zero_grad()
        link_prediction_loss(encoder(), encoder.relation_embeddings, *sample_triples(graph, BATCH, N_NEGATIVES, generator)).backward()
        optimizer.step()
        steps += 1
    return steps


def best_ms(step: Callable[[], object], repeats: int) -> float:
    """The shortest of `repeats` runs after one to warm up, in milliseconds."""
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def forward_backward(module: nn.Module) -> None:
    module().square().sum().backward()


def best_of_training(make: Callable[..., nn.Module], graph: Graph, full: Graph, held: Tensor, seconds: float) -> tuple[float, float, int]:
    """MRR and hits@10 on the second half of `held`, where that of the first half, looked at eight times, was best; and steps till then."""
    valid, test = held.chunk(2)
    torch.manual_seed(0)
    encoder, steps = make(graph, DIM), 0
    best, at, state = -1.0, 0, {}
    for seed in range(8):
        steps += train(encoder.train(), graph, seconds / 8, seed)
        with torch.no_grad():
            mrr = ranks(encoder.eval()(), encoder.relation_embeddings, full, valid).reciprocal().mean().item()
        if mrr > best:
            best, at, state = mrr, steps, copy.deepcopy(encoder.state_dict())
    encoder.load_state_dict(state)
    with torch.no_grad():
        rank = ranks(encoder.eval()(), encoder.relation_embeddings, full, test)
    return rank.reciprocal().mean().item(), (rank <= 10).float().mean().item(), at


def encoder_table(full: Graph, seconds: float) -> Table:
    """Quality after the same time on the clock, and a step's time as a ratio to CompGCN of two layers."""
    graph, held = hold_out(full, len(full.edge_type) // 10, seed=0)
    title = f"{full.n_entities:,} entities, {len(full.edge_type):,} triples; {len(held) // 2:,} held out; {seconds:g} s of training each"
    table = Table("encoder", "MRR", "hits@10", "steps to best", "forward + backward", "ratio", title=title)
    peer = {"R-GCN, 2 layers, torch-geometric": partial(RGCNConvEncoder, n_layers=2, dropout=0.1, n_bases=8)}
    times = {name: best_ms(partial(forward_backward, make(graph, DIM)), 10) for name, make in (ENCODERS | peer).items()}
    quality = {name: best_of_training(make, graph, full, held, seconds) for name, make in track(ENCODERS.items(), "training")}
    for name, ms in times.items():
        found = [f"{value:.3g}" for value in quality.get(name, ())] or [""] * 3
        table.add_row(name, *found, f"{ms:.0f} ms", f"{ms / times['CompGCN, 2 layers']:.2f}")
    return table


def propagation_table(n_edges: int, n_users: int, n_items: int) -> Table:
    """Three layers of LightGCN, forward and backward, ours against torch-geometric's, on random edges."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.randperm(n_users * n_items, generator=generator)[:n_edges]
    user, item = keys // n_items, keys % n_items
    x = torch.randn(n_users + n_items, DIM, generator=generator).requires_grad_()
    adjacency = normalized_bipartite(user, item, n_users, n_items)
    edge_index = torch.stack([torch.cat([user, item + n_users]), torch.cat([item + n_users, user])])

    def three_layers(layer: Callable[[Tensor], Tensor]) -> None:
        layer(layer(layer(x))).sum().backward()

    ours = best_ms(lambda: three_layers(lambda h: symmetric_propagation(adjacency, h)), 20)
    theirs = best_ms(lambda: three_layers(lambda h: LGConv()(h, edge_index)), 5)
    table = Table("propagation", "forward + backward", "ratio", title=f"{n_edges:,} edges, {DIM} dimensions, 3 layers")
    table.add_row("symmetric_propagation", f"{ours:.1f} ms", "1.00")
    table.add_row("torch-geometric LGConv, edge_index", f"{theirs:.1f} ms", f"{theirs / ours:.1f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("triples", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0, help="training time of each encoder")
    parser.add_argument("--min-degree", type=int, default=1, help="drop entities with fewer neighbours")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    Console().print(propagation_table(83_000, 943, 1_682))
    full = to_tensors(read_graph(arguments.triples, arguments.min_degree), [])
    Console().print(encoder_table(full, arguments.seconds))


if __name__ == "__main__":
    main()
