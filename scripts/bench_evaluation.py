"""What ranking a whole catalogue costs beside the tensor mathematics it cannot do without, and how much memory it needs beside its inputs.

    python scripts/bench_evaluation.py                                        # 1,000,000 items, 100,000 users: half an hour on one core
    python scripts/bench_evaluation.py --users 2000                           # a minute
    python scripts/bench_evaluation.py --users 2000 --items 100000 --device cuda

Embeddings and interactions are generated. The two take turns on the same users; the ratio is that of their median times a turn. The bare
one is a product, a mask from a CSR matrix and torch.topk in chunks of the same size. It orders equal scores as it likes.
"""

import argparse
import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from mmrec.data.csr import InteractionMatrix
from mmrec.metrics.full_ranking import evaluate_ranking, rank_users
from mmrec.model import FrozenScorer

DIM, K, N_SEEN, N_POSITIVES, TURN = 64, 100, 20, 5, 500
CHUNK_BYTES = 64 * 2**20


def bare(users: Tensor, items: Tensor, seen: InteractionMatrix, user_idx: Tensor) -> tuple[Tensor, Tensor]:
    """The top K of each user: product, mask, topk."""
    values, indices = [], []
    for part in user_idx.split(max(1, CHUNK_BYTES // (4 * len(items)))):
        scores = users[part] @ items.T
        scores[seen.rows(part)] = -torch.inf
        top = scores.topk(K, dim=1)
        values.append(top.values.cpu())
        indices.append(top.indices.cpu())
    return torch.cat(values), torch.cat(indices)


def timed(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


class PeakMemory:
    """The highest resident memory, in bytes, while it is entered, beyond what there was before; sampled every 5 ms."""

    def __enter__(self) -> "PeakMemory":
        self._stop, self.before, self.highest = threading.Event(), _resident(), 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def beyond(self) -> int:
        return max(0, self.highest - self.before)

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.highest = max(self.highest, _resident())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def draw(n_users: int, n_items: int, n_each: int, generator: torch.Generator) -> InteractionMatrix:
    """`n_each` items a user, uniformly; fewer where one is drawn twice."""
    users = torch.arange(n_users).repeat_interleave(n_each)
    return InteractionMatrix.from_pairs(users, torch.randint(n_items, users.shape, generator=generator), n_users, n_items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, generator = torch.device(arguments.device), torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, DIM, generator=generator).to(device) for n in (arguments.users, arguments.items))
    seen, positives = (draw(arguments.users, arguments.items, n, generator).to(device) for n in (N_SEEN, N_POSITIVES))
    scorer = FrozenScorer(users, items, torch.empty(0, 0))
    turns = torch.arange(arguments.users, device=device).split(TURN)
    times: dict[str, list[float]] = {"bare": [], "rank_users": [], "metrics": []}
    with torch.no_grad():
        bare(users, items, seen, turns[0][:32])  # warm up
        with PeakMemory() as memory:
            for turn in track(turns, description="ranking", disable=not Console().is_terminal):
                times["rank_users"].append(timed(lambda turn=turn: rank_users(scorer, turn, seen, K), device))
        for turn in turns[: max(8, len(turns) // 20)]:  # turn about, so that both meet the same machine
            times["bare"].append(timed(lambda turn=turn: bare(users, items, seen, turn), device))
            ranking = rank_users(scorer, turn, seen, K)
            times["rank_users"].append(timed(lambda turn=turn: rank_users(scorer, turn, seen, K), device))
            times["metrics"].append(
                timed(lambda turn=turn, r=ranking: evaluate_ranking(r, positives.to(torch.device("cpu")), [10, 20]), device)
            )
    n_turns = len(times["bare"])
    median = {name: statistics.median(values[-n_turns:]) for name, values in times.items()}
    table = Table("", "users/s", "speed beside bare", title=f"{arguments.users:,} users, {arguments.items:,} items, top {K}, {device}")
    for name, seconds in median.items():
        table.add_row(name, f"{len(turns[0]) / seconds:,.0f}", f"{median['bare'] / seconds:.2f}")
    Console().print(table)
    if device.type == "cpu":
        print(f"memory beyond the inputs while all {arguments.users:,} users were ranked: {memory.beyond / 2**20:,.0f} MiB at most")


if __name__ == "__main__":
    main()
