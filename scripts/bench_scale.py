"""How training grows with the data: seconds of an epoch and peak memory, for 1, 3 and 10 million interactions.

    python scripts/bench_scale.py --output scale.svg                # 1M and 3M, LightGCN: some minutes on one core
    python scripts/bench_scale.py --millions 1 3 10
    python scripts/bench_scale.py --model fusion                    # with features, and a knowledge graph of as many triples
    python scripts/bench_scale.py --model linear                    # the linear part of fusion: one fit, of the 10,000 first items

Data of n million interactions has 100,000 n users, 100,000 n items, random features of 64 numbers an item and n million triples over
120,000 n entities; it is generated, and some items are far more popular than others. A step of either model passes the whole graph, so
batches grow with the data: 16 steps an epoch. The linear part has nothing but a fit, with one value of each of its lists.

Each size has a process of its own, which trains as many steps of an epoch as --seconds allow. Where those are not all, the table says so,
and a step that was not run counts as the median one. Seconds are of the CPU, all threads, so that what else the machine does counts
little. Memory is the highest resident size of the process. A growth exponent is the slope of a straight line through the points on
logarithmic axes: 1 is linear.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import altair as alt
import numpy as np
import torch
import vl_convert
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import PairBatches, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr, sampled_softmax
from mmrec.models.collaborative.lightgcn import LightGCNRecommender
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.priors.linear import TimeAwareEASE
from mmrec.models.recommender import Recommender
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.nn.fusion.attention import AttentionFusion
from mmrec.types import DatasetSpec, Features, Graph, Interactions

DIM, N_RELATIONS, N_STEPS, N_NEGATIVES = 64, 16, 16, 1024
UNITS = {"seconds": "s", "memory": "GiB"}
COLOURS, GREY = {"seconds": "#0068b3", "memory": "#c8530a"}, "#646d7a"


def skewed(n: int, n_kinds: int, generator: torch.Generator) -> Tensor:
    """`n` numbers below n_kinds, the density of number k falling as 1 / √k."""
    return (torch.rand(n, generator=generator, dtype=torch.float64).square() * n_kinds).long()


def generate(millions: int, with_content: bool) -> DatasetSpec:
    generator, n_users, n_items, n = torch.Generator().manual_seed(0), 100_000 * millions, 100_000 * millions, 1_000_000 * millions
    user_idx, item_idx = torch.randint(n_users, (n,), generator=generator), skewed(n, n_items, generator)
    train = Interactions(user_idx, item_idx, torch.randint(10**9, (n,), generator=generator))
    if not with_content:
        return DatasetSpec(n_users, n_items, train)
    n_entities = n_items + 20_000 * millions
    edges = torch.stack([skewed(n, n_items, generator), n_items + skewed(n, n_entities - n_items, generator)])
    relations = torch.randint(N_RELATIONS, (n,), generator=generator)
    features = {"text": Features(torch.randn(n_items, DIM, generator=generator), torch.ones(n_items, dtype=torch.bool))}
    return DatasetSpec(n_users, n_items, train, features, Graph(edges, relations, n_entities, N_RELATIONS, torch.arange(n_items)))


def make_model(name: str, spec: DatasetSpec) -> Recommender:
    if name == "lightgcn":
        return LightGCNRecommender(spec, DIM, n_layers=3, init_scale=0.1, regularization=1e-4)
    fusion, backbone = partial(AttentionFusion, n_layers=1, n_heads=4, dropout=0.0), partial(LightGCN, n_layers=2, init_scale=0.1)
    kg_encoder = partial(CompGCNEncoder, n_layers=1, dropout=0.1)
    dropout = {"modality": 0.2, "feature": 0.2, "history": 0.5}
    return FusionRecommender(spec, DIM, fusion, backbone, kg_encoder, linear=None, trend=None, dropout=dropout)


def measure_linear(millions: int) -> dict[str, float]:
    """One fit with one value of each list, in this process: seconds and gigabytes. A thousand users have an item to validate by."""
    spec = generate(millions, with_content=False)
    users = torch.arange(1000)
    train = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    valid = EvaluationSet.build(train, InteractionMatrix.from_pairs(users, users % spec.n_items, spec.n_users, spec.n_items))
    start = time.process_time()
    TimeAwareEASE([10.0], [1.0], time_span=20.0, rank=[256], max_items=10_000, seed=0).fit(spec, valid, k=20)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"n": len(train.indices), "built": 0.0, "seconds": time.process_time() - start, "steps": 1, "of": 1, "memory": memory}


def make_batches(name: str, train: InteractionMatrix) -> TrainBatches | PairBatches:
    if name == "lightgcn":
        return PairBatches(train, -(-len(train.indices) // N_STEPS), n_negatives=1, seed=0)
    return TrainBatches(train, -(-train.n_users // N_STEPS), N_NEGATIVES, shared=True, seed=0)


def measure(name: str, millions: int, seconds: float) -> dict[str, float]:
    """One size, in this process: seconds to build the model, of an epoch, how many steps were run, and gigabytes."""
    if name == "linear":
        return measure_linear(millions)
    start, generator = time.process_time(), torch.Generator().manual_seed(0)
    spec = generate(millions, with_content=name == "fusion")
    model = make_model(name, spec)
    batches = make_batches(name, InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items))
    loss = partial(bpr, temperature=1.0) if name == "lightgcn" else partial(sampled_softmax, temperature=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    built_s, end, steps, draws, iterator = time.process_time() - start, time.perf_counter() + seconds, [], [], iter(batches)
    while len(steps) < len(batches) and (len(steps) < 2 or time.perf_counter() < end):
        before = time.process_time()
        batch = next(iterator)
        middle = time.process_time()
        optimizer.zero_grad()
        scores = model.score_batch(batch, generator)
        (loss(scores.positive, batch.row, scores.negative, batch.valid) + scores.extra).backward()
        optimizer.step()
        draws.append(middle - before)
        steps.append(time.process_time() - middle)
    rest = len(batches) - len(steps)
    epoch_s = sum(draws) + sum(steps) + rest * (statistics.median(draws[1:]) + statistics.median(steps))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    n = len(batches.positives.indices)
    return {"n": n, "built": built_s, "seconds": epoch_s, "steps": len(steps), "of": len(batches), "memory": memory}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of a straight line through the points on logarithmic axes."""
    return float(np.polyfit(np.log(sizes), np.log(values), deg=1)[0])


def draw(rows: Sequence[dict[str, float]]) -> str:
    """Seconds and memory as multiples of those of the smallest size, on logarithmic axes; the dashed line is linear growth."""
    first, names = rows[0], {kind: f"{kind}: {rows[-1][kind]:,.0f} {UNITS[kind]}" for kind in COLOURS} | {"n": "linear growth"}
    points = [{"n": row["n"], "of": name, "times": row[kind] / first[kind]} for kind, name in names.items() for row in rows]
    sizes, scale = [row["n"] for row in rows], alt.Scale(type="log", nice=False)
    x = alt.X("n:Q", title="interactions", scale=scale, axis=alt.Axis(values=sizes, format=".0s", grid=False))
    y = alt.Y("times:Q", title=None, scale=scale, axis=alt.Axis(values=[1, 2, 5, 10, 20, 50, 100], format="d", grid=False))
    lines, order = alt.Chart(alt.InlineData(values=points)).mark_line(strokeWidth=2).encode(x=x, y=y), list(names.values())
    chart = lines.encode(
        color=alt.Color("of:N", title=None, scale=alt.Scale(domain=order, range=[*COLOURS.values(), GREY])),
        strokeDash=alt.StrokeDash("of:N", title=None, scale=alt.Scale(domain=order, range=[[1, 0], [1, 0], [4, 4]])),
    ).properties(width=300, height=230, background="transparent", title=f"times as much as at {first['n'] / 1e6:.0f}M")
    grey = {"labelColor": GREY, "titleColor": GREY, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    chart = chart.configure_axis(**grey, domainColor=GREY, tickColor=GREY).configure_legend(**grey).configure_view(stroke=None)
    return vl_convert.vegalite_to_svg(chart.configure_title(color=GREY, fontSize=12, fontWeight="normal", anchor="start").to_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", nargs="+", type=int, default=[1, 3])
    parser.add_argument("--model", choices=["lightgcn", "fusion", "linear"], default="lightgcn")
    parser.add_argument("--seconds", type=float, default=120.0, help="of steps, at most, a size")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="an SVG of the growth")
    parser.add_argument("--one", action="store_true", help="measure the one size in this process and print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        print(json.dumps(measure(arguments.model, arguments.millions[0], arguments.seconds)))
        return
    command = [sys.executable, __file__, "--one", "--model", arguments.model, "--threads", str(arguments.threads)]
    table = Table("interactions", "built in", "an epoch", "steps run", "memory", title=f"{arguments.model}, {arguments.threads} threads")
    rows = []
    for millions in sorted(arguments.millions):
        sized = [*command, "--seconds", str(arguments.seconds), "--millions", str(millions)]
        rows.append(row := json.loads(subprocess.run(sized, capture_output=True, text=True, check=True).stdout))
        told = f"{row['steps']} of {row['of']}" + ("" if row["steps"] == row["of"] else ": extrapolated")
        table.add_row(f"{row['n']:,}", f"{row['built']:.1f} s", f"{row['seconds']:.1f} s", told, f"{row['memory']:.2f} GiB")
    Console().print(table)
    if len(rows) > 1:
        sizes = [row["n"] for row in rows]
        print("growth exponents: " + ", ".join(f"{kind} {exponent(sizes, [row[kind] for row in rows]):.2f}" for kind in COLOURS))
    if arguments.output and len(rows) > 1:
        arguments.output.write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
