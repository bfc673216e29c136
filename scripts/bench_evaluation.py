"""What ranking a whole catalogue costs beside the tensor mathematics it cannot do without, and what its metrics cost beside those of peers.

    python scripts/bench_evaluation.py                                        # 1,000,000 items, 100,000 users: half an hour on one core
    python scripts/bench_evaluation.py --users 2000                           # two minutes
    python scripts/bench_evaluation.py --users 2000 --items 100000 --device cuda
    python scripts/bench_evaluation.py --users 2000 --peer-python PATH        # PATH: python of an environment that has rectools

Embeddings and interactions are generated. All that is compared takes turns on the same users; a ratio is that of the medians.

Ranking: the bare one is a product, a mask from a CSR matrix and torch.topk in chunks of the same size. It orders equal scores as it likes.
The most memory that ranking takes beside its inputs is of all users.

Metrics: recall, ndcg, hit_rate, mrr, map and precision at 10 and 20 of the same lists, some of whose items are positives; the means must be
equal. Peers are timed from their own structures, and from arrays, which is what mmrec starts from. RecTools needs an older numpy than
mmrec, hence an interpreter of its own, which takes its turns too. Ranking and metrics together are the sums of the medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.full_ranking import Ranking, evaluate_ranking, rank_users
from mmrec.metrics.ranking import METRICS
from mmrec.models.recommender import FrozenScorer

DIM, K, N_SEEN, N_POSITIVES, TURN = 64, 100, 20, 5, 500
KS, N_METRIC_USERS, N_METRIC_TURNS = [10, 20], 2000, 9
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


def time_ranking(scorer: FrozenScorer, seen: InteractionMatrix, n_users: int, device: torch.device) -> tuple[dict[str, float], PeakMemory]:
    """Seconds a user of the bare ranking and of `rank_users`, and the memory that ranking all users took."""
    users, items = scorer.users, scorer.items
    turns = torch.arange(n_users, device=device).split(TURN)
    times: dict[str, list[float]] = {"bare": [], "rank_users": []}
    bare(users, items, seen, turns[0][:32])  # warm up
    with PeakMemory() as memory:
        for turn in track(turns, description="ranking", disable=not Console().is_terminal):
            rank_users(scorer, turn, seen, K)
    for turn in turns[: max(8, len(turns) // 20)]:  # turn about, so that both meet the same machine
        times["bare"].append(timed(lambda turn=turn: bare(users, items, seen, turn), device) / len(turn))
        times["rank_users"].append(timed(lambda turn=turn: rank_users(scorer, turn, seen, K), device) / len(turn))
    return medians(times), memory


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in times.items()}


def draw_positives(ranking: Ranking, n_items: int, generator: torch.Generator) -> InteractionMatrix:
    """`N_POSITIVES` a user, every other one from the first 40 of the user's list, so that there is something to find."""
    n = len(ranking.user_idx)
    found = ranking.item_idx.gather(1, torch.randint(40, (n, N_POSITIVES), generator=generator))
    found[:, ::2] = torch.randint(n_items, found[:, ::2].shape, generator=generator)
    return InteractionMatrix.from_pairs(torch.arange(n).repeat_interleave(N_POSITIVES), found.flatten(), n, n_items)


class Ranx:
    """ranx on the same lists; its structures are dictionaries of dictionaries by text ids."""

    def __init__(self, ranking: Ranking, positives: InteractionMatrix, threads: int) -> None:
        import ranx  # a peer, and slow to import

        self._ranx, self._ranking, self._positives, self._threads = ranx, ranking, positives, threads
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler, on casts inside ranx
            self.convert()
            self.evaluate()  # warm up: compiles

    def convert(self) -> None:
        users = [str(user) for user in range(len(self._ranking.user_idx))]
        lists = zip(self._ranking.item_idx.tolist(), self._ranking.scores.tolist(), strict=True)
        rows = (self._positives.indices[a:b].tolist() for a, b in self._positives.indptr.unfold(0, 2, 1).tolist())
        self._qrels = self._ranx.Qrels({user: dict.fromkeys(map(str, row), 1) for user, row in zip(users, rows, strict=True)})
        listed = [dict(zip(map(str, items), scores, strict=True)) for items, scores in lists]
        self._run = self._ranx.Run(dict(zip(users, listed, strict=True)))

    def evaluate(self) -> dict[str, float]:
        names = [f"{name}@{k}" for name in METRICS for k in KS]
        return self._ranx.evaluate(self._qrels, self._run, names, threads=self._threads, save_results_in_run=False)


class RecTools:
    """RecTools in another interpreter: `rectools_peer.py` reads the lists from a file and answers each line with a line of JSON."""

    def __init__(self, python: str, ranking: Ranking, positives: InteractionMatrix) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, counts = Path(folder) / "lists.npz", positives.degree.numpy()
            true_users = np.repeat(np.arange(len(counts)), counts)
            np.savez(path, lists=ranking.item_idx.numpy(), true_users=true_users, true_items=positives.indices.numpy())
            command = [python, str(Path(__file__).with_name("rectools_peer.py")), str(path), json.dumps(KS)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.turn()  # warm up

    def turn(self) -> dict[str, dict[str, float] | float]:
        """`convert_s`, `evaluate_s` and `means` of one turn."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def time_metrics(ranking: Ranking, positives: InteractionMatrix, threads: int, peer_python: str | None) -> dict[str, float]:
    """Seconds a user of every system's metrics; raises AssertionError where their means differ."""
    cpu, n_users, times = torch.device("cpu"), len(ranking.user_idx), {"mmrec": [], "ranx": [], "ranx, from arrays": []}
    ours = {name: float(column.mean()) for name, column in evaluate_ranking(ranking, positives, KS).to_dict().items() if "@" in name}
    ranx, rectools = Ranx(ranking, positives, threads), RecTools(peer_python, ranking, positives) if peer_python else None
    check(ours, ranx.evaluate())
    for _ in range(N_METRIC_TURNS):
        times["mmrec"].append(timed(lambda: evaluate_ranking(ranking, positives, KS), cpu))
        convert_s, evaluate_s = timed(ranx.convert, cpu), timed(ranx.evaluate, cpu)
        times["ranx"].append(evaluate_s)
        times["ranx, from arrays"].append(convert_s + evaluate_s)
        if rectools:
            turn = rectools.turn()
            check(ours, turn["means"])
            times.setdefault("RecTools", []).append(turn["evaluate_s"])
            times.setdefault("RecTools, from arrays", []).append(turn["convert_s"] + turn["evaluate_s"])
    if rectools:
        rectools.close()
    return {name: seconds / n_users for name, seconds in medians(times).items()}


def check(ours: dict[str, float], theirs: dict[str, float]) -> None:
    for name, value in ours.items():
        assert abs(value - theirs[name]) < 1e-9, f"{name}: {value} and {theirs[name]}"


def show(title: str, seconds: dict[str, float], beside: str) -> None:
    """A table of users a second, and how many times as fast as the system `beside` each is."""
    table = Table("", "users/s", f"speed beside {beside}", title=title)
    for name, each in seconds.items():
        table.add_row(name, f"{1 / each:,.0f}", f"{seconds[beside] / each:.3g}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter that has rectools and pandas, to measure it too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, generator = torch.device(arguments.device), torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, DIM, generator=generator).to(device) for n in (arguments.users, arguments.items))
    seen = draw(arguments.users, arguments.items, N_SEEN, generator).to(device)
    scorer = FrozenScorer(users, items, torch.empty(0, 0))
    with torch.no_grad():
        ranking_s, memory = time_ranking(scorer, seen, arguments.users, device)
        measured = torch.arange(min(arguments.users, N_METRIC_USERS), device=device)
        ranking = rank_users(scorer, measured, seen, K)
    show(f"Ranking: {arguments.users:,} users, {arguments.items:,} items, top {K}, {device}", ranking_s, "bare")
    if device.type == "cpu":
        print(f"memory beyond the inputs while all {arguments.users:,} users were ranked: {memory.beyond / 2**20:,.0f} MiB at most")
    positives = draw_positives(ranking, arguments.items, generator)
    metrics_s = time_metrics(ranking, positives, arguments.threads, arguments.peer_python)
    show(f"Metrics: {len(measured):,} users, {len(METRICS)} metrics at {KS[0]} and {KS[1]}, cpu", metrics_s, "mmrec")
    whole = {f"bare + {name}": ranking_s["bare"] + seconds for name, seconds in metrics_s.items() if "arrays" in name}
    show("Ranking and metrics", {"mmrec": ranking_s["rank_users"] + metrics_s["mmrec"]} | whole, "mmrec")


if __name__ == "__main__":
    main()
