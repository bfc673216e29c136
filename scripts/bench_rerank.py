"""What reranking costs: seconds for lists of many users by each method, and the ratio to sorting the same candidates by score.

    python scripts/bench_rerank.py                                # 1,000 users, 500 candidates, lists of 20, on one core
    python scripts/bench_rerank.py --dim 384 --users 5000

Vectors, scores and categories are generated. All methods take turns on the same candidates; seconds are medians of the
processor time of one thread, which other programs on the machine do not change much.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.rerank import DPP, MMR, Calibrated, Capped, ItemCategories, Reranker, XQuAD
from mmrec.rerank.chain import rerank_scores
from mmrec.rerank.similarity import unit_vectors

N_CATEGORIES, N_HISTORY = 20, 50


class Catalogue:
    """Items with vectors and up to three categories each."""

    def __init__(self, n_items: int, dim: int) -> None:
        self.units = unit_vectors(torch.randn(n_items, dim), torch.ones(n_items, dtype=torch.bool))
        pairs = torch.stack([torch.arange(n_items).repeat(3), torch.randint(N_CATEGORIES, (3 * n_items,))]).unique(dim=1)
        self.known = ItemCategories.from_pairs(tuple(map(str, range(N_CATEGORIES))), pairs[0], pairs[1], n_items)

    def vectors(self, similarity: str) -> torch.Tensor:
        return self.units

    def categories(self, column: str) -> ItemCategories:
        return self.known


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("users", 1000), ("candidates", 500), ("k", 20), ("items", 5000), ("dim", 128), ("turns", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    n, m = arguments.users, arguments.candidates
    content, scores = Catalogue(arguments.items, arguments.dim), torch.randn(n, arguments.items)
    history = InteractionMatrix.from_pairs(
        torch.arange(n).repeat_interleave(N_HISTORY), torch.randint(arguments.items, (n * N_HISTORY,)), n, arguments.items
    )
    methods: dict[str, Reranker] = {
        "mmr": MMR(candidates=m),
        "dpp": DPP(candidates=m),
        "calibrated": Calibrated("genre", candidates=m),
        "xquad": XQuAD("genre", candidates=m),
        "capped": Capped("genre", candidates=m),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("sorted", *methods)}
    for _ in range(arguments.turns):
        seconds["sorted"].append(timed(lambda: scores.topk(m, dim=1)))
        for name, method in methods.items():
            seconds[name].append(timed(lambda method=method: rerank_scores(method, scores, history, content, arguments.k)))
    table = Table("method", "seconds", "ratio to sorting", title=f"{n:,} users, {m:,} candidates, k = {arguments.k}, dim = {arguments.dim}")
    base = statistics.median(seconds["sorted"])
    for name, times in seconds.items():
        table.add_row(name, f"{statistics.median(times):.3f}", f"{statistics.median(times) / base:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
