"""The service under load from a second process: latency, changes of the model, overload, kills, the approximate index, and new items.

    python scripts/bench_serving.py                              # 100,000 items × 64, about three minutes on two cores
    python scripts/bench_serving.py --full                       # a million items, swaps for 60 s, 200 kills: about an hour
    python scripts/bench_serving.py --parts items --run runs/…   # only some parts; new items need a run whose model places them

Latency stands beside a look-up in the bare index with its JSON, in this process, and beside the simplest FastAPI around NumPy. Vectors are
generated. The server has one core, as far as the machine has two. Latency is measured at half of saturation, from the moment at which a
request was due. Every part ends after a set time or count.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file
from serving_load import N_USERS, Client, K, at_rate, path_of, saturate


def write_run(folder: Path, n_items: int, dim: int, seed: int) -> None:
    """Write a run folder of generated vectors."""
    generator = torch.Generator().manual_seed(seed)
    (folder / "split").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"model": "generated", "name": folder.name}))
    (folder / "metrics.json").write_text(json.dumps({"models": {"generated": {"test/ndcg@10": 0.0}}}))
    vectors = {"users": torch.randn(N_USERS, dim, generator=generator), "items": torch.randn(n_items, dim, generator=generator)}
    save_file(vectors, folder / "vectors.safetensors")
    pl.DataFrame({"user_id": [str(n) for n in range(N_USERS)]}).write_parquet(folder / "users.parquet")
    items = [f"i{n}" for n in range(n_items)]
    pl.DataFrame({"item_id": items, "title": items}).write_parquet(folder / "items.parquet")
    for part in ("train", "valid", "test"):
        pl.DataFrame({"user_id": ["0", "1"], "item_id": ["i0", "i1"]}).write_parquet(folder / "split" / f"{part}.parquet")


def serve(kind: str, folder: Path, port: int) -> None:
    """Answer requests by mmrec, by a restored run, or by the simplest application around NumPy, until the process is ended."""
    from mmrec.serving.api.server import listen, run_server

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    opened = listen("127.0.0.1", port)
    run_server({"mmrec": mmrec_app, "run": run_app, "plain": plain_app}[kind](folder), opened)


def mmrec_app(folder: Path):
    """The whole application, with keys, limits and metrics in their places."""
    import mmrec
    from mmrec.serving.api.front import make_front
    from mmrec.serving.events.store_urls import open_store
    from mmrec.serving.model.open_model import open_model
    from mmrec.serving.service import Service

    def load(name: str):
        return open_model(mmrec.open_run(folder.parent / name), restore=False)

    return make_front(Service(load(folder.name), open_store(f"sqlite:///{folder.parent / 'events.db'}"), time.time, load))


def run_app(folder: Path):
    """The whole application with a run, restored from its data; its events are in memory."""
    import mmrec
    from mmrec.serving.api.front import make_front

    return make_front(mmrec.open_run(folder, "trust_run=true").service())


def plain_app(folder: Path):
    """A product, the k best, and JSON: nothing else."""
    from fastapi import FastAPI
    from safetensors.numpy import load_file

    vectors, app = load_file(folder / "vectors.safetensors"), FastAPI()
    ids = pl.read_parquet(folder / "items.parquet", glob=False)["item_id"].to_list()

    @app.get("/v1/users/{user_id}/recommendations")
    def recommend(user_id: int, k: int = K):
        scores = vectors["items"] @ vectors["users"][user_id]
        best = np.argpartition(-scores, k)[:k]
        best = best[np.argsort(-scores[best])]
        return {"items": [{"item_id": ids[one], "score": float(scores[one])} for one in best]}

    return app


@contextmanager
def server(kind: str, folder: Path, port: int):
    """A server in another process, once it answers."""
    command = [sys.executable, __file__, "--serve", kind, str(folder), str(port)]
    log_path = Path(tempfile.gettempdir()) / f"bench_serving_{port}.log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 600
        path = "/openapi.json" if kind == "plain" else "/readyz"
        while asyncio.run(Client(port).get(path)).status != 200:
            assert process.poll() is None and time.monotonic() < deadline, log_path.read_text()[-2000:]
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def measure_bare(folder: Path, n_requests: int = 1000) -> float:
    """Print the latency of a look-up in the bare index and its JSON, here, on one thread; returns the p99 in ms."""
    from safetensors.torch import load_file

    from mmrec.serving.index.choice import choose_index

    torch.set_num_threads(1)
    vectors, ids = load_file(folder / "vectors.safetensors"), pl.read_parquet(folder / "items.parquet", glob=False)["item_id"].to_list()
    index, nothing, times = choose_index("auto", vectors["users"], vectors["items"]), torch.zeros(0, dtype=torch.int64), []
    for number in range(n_requests):
        started = time.perf_counter()
        scores, items = index.search(vectors["users"][number % N_USERS], K, nothing)
        json.dumps({"items": [{"item_id": ids[at], "score": score} for at, score in zip(items.tolist(), scores.tolist(), strict=True)]})
        times.append(1000 * (time.perf_counter() - started))
    p99 = float(np.quantile(times, 0.99))
    print(f"bare  : {type(index).__name__} and JSON: p50 {np.median(times):.2f} ms, p99 {p99:.2f} ms")
    return p99


def measure_latency(folder: Path, port: int, seconds: float) -> dict[str, float]:
    """Print saturation and, at half of it, latency, of both servers; returns requests/s by server."""
    found, p99, bare = {}, {}, measure_bare(folder)
    for kind in ("plain", "mmrec"):
        with server(kind, folder, port):
            asyncio.run(saturate(port, seconds / 2, 4))
            found[kind] = len(asyncio.run(saturate(port, seconds, 4))) / seconds
            replies = asyncio.run(at_rate(port, found[kind] / 2, seconds))
            times = np.array([one.seconds for one in replies]) * 1000
            p99[kind] = float(np.quantile(times, 0.99))
            bad = sum(one.status != 200 for one in replies)
            print(f"{kind:6}: {found[kind]:,.0f} requests/s; at half p50 {np.median(times):.2f} ms, p99 {p99[kind]:.2f} ms; {bad} errors")
    print(f"ratios mmrec / plain: p99 {p99['mmrec'] / p99['plain']:.2f}, requests/s {found['mmrec'] / found['plain']:.2f}")
    print(f"ratio mmrec / bare  : p99 {p99['mmrec'] / bare:.2f} (bar: at most 2)")
    return found


def measure_swap(folder: Path, port: int, seconds: float, rate: float) -> None:
    """Print errors and mixed answers while the model changes every tenth of the time."""

    async def swap(client: Client) -> None:
        for number in range(1, 1000):
            await asyncio.sleep(seconds / 6)
            await client.post("/v1/model", {"run": "ab"[number % 2]})

    with server("mmrec", folder, port):
        replies = asyncio.run(at_rate(port, rate, seconds, swap))
    lists: dict[tuple[str, int], set[str]] = {}
    for number, one in enumerate(replies):
        if one.status == 200:
            answer = json.loads(one.body)
            lists.setdefault((answer["model"], number % N_USERS), set()).add(json.dumps(answer["items"]))
    mixed = sum(len(found) > 1 for found in lists.values())
    versions, errors = len({model for model, _ in lists}), sum(one.status != 200 for one in replies)
    print(f"swap  : {len(replies):,} requests at {rate:.0f}/s, {versions} versions: {errors} errors, {mixed} mixed answers")


def measure_overload(folder: Path, port: int, seconds: float, rate: float) -> None:
    """Print the statuses at ten times saturation, the memory, and whether the service answers afterwards."""
    with server("mmrec", folder, port) as process:
        before = memory_mib(process.pid)
        replies = asyncio.run(at_rate(port, 10 * rate, seconds))
        after = memory_mib(process.pid)
        recovered = asyncio.run(Client(port).get(path_of(0))).status == 200
    statuses = dict(Counter(one.status for one in replies))
    untold = sum(one.status in (429, 503) and b"retry-after" not in one.headers for one in replies)
    print(
        f"overload at {10 * rate:,.0f}/s: {statuses}, {untold} without Retry-After; {before:.0f} -> {after:.0f} MiB; recovers: {recovered}"
    )


def memory_mib(pid: int) -> float:
    """The resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def measure_kills(folder: Path, port: int, n_kills: int) -> None:
    """Print how many acknowledged events are lost or doubled, when the server is killed again and again and clients retry."""
    from mmrec.serving.events.store_urls import open_store

    acknowledged: set[str] = set()

    async def send(client: Client, process: subprocess.Popen, until: float) -> None:
        number = len(acknowledged)
        while process.poll() is None:
            events = [{"event_id": f"e{one}", "user_id": f"k{one % 7}", "item_id": "i1"} for one in range(number, number + 3)]
            reply = await client.post("/v1/events", events)
            if reply.status == 202:
                acknowledged.update(one["event_id"] for one in events)
                number += 3
            if time.perf_counter() > until:
                process.send_signal(signal.SIGKILL)
                until = float("inf")

    rng = np.random.default_rng(0)
    for _ in range(n_kills):
        with server("mmrec", folder, port) as process:
            asyncio.run(send(Client(port), process, time.perf_counter() + float(rng.uniform(0.05, 0.3))))
    store = open_store(f"sqlite:///{folder.parent / 'events.db'}")
    stored = [one for one in store.export()["event_id"].to_list() if one.startswith("e")]
    store.close()
    lost, doubled = len(acknowledged - set(stored)), len(stored) - len(set(stored))
    print(f"kills : {n_kills}, {len(acknowledged):,} acknowledged events: {lost} lost, {doubled} doubled")


def measure_index(n_items: int, dim: int) -> None:
    """Print recall and speed of the approximate index against the exact one, for vectors of equal variance and of a decaying spectrum."""
    from mmrec.serving.index.choice import compare
    from mmrec.serving.index.exact import ExactIndex
    from mmrec.serving.index.usearch_index import UsearchIndex

    torch.set_num_threads(1)
    for name, power in (("equal variance", 0.0), ("decaying spectrum", 0.5)):
        generator, scale = torch.Generator().manual_seed(0), torch.arange(1, dim + 1).float() ** -power
        items, users = (torch.randn(n, dim, generator=generator) * scale for n in (n_items, 200))
        started = time.perf_counter()
        index = UsearchIndex(items)
        built = time.perf_counter() - started
        recall, ratio = compare(index, ExactIndex(items), users, 100)
        print(
            f"index : {n_items:,} × {dim}, {name}: recall@100 {recall:.4f} at {ratio:.1f} times exact, built in {built:.0f} s (bar: .99, 5)"
        )


def measure_items(run: Path, port: int, n_items: int) -> None:
    """Print how long a new item takes until it is recommended, each with the words of two items of the run."""
    items = pl.read_parquet(run / "items.parquet", glob=False)
    title = next(name for name, kind in items.schema.items() if kind == pl.String and name != "item_id")
    titles, rng = items[title].drop_nulls().to_list(), np.random.default_rng(0)

    async def put(number: int) -> tuple[float, float]:
        client, started = Client(port), time.perf_counter()
        words = " ".join(" ".join(rng.choice(titles, 2)).split())
        reply = await client.post(f"/v1/items/bench-{number}", {"fields": {title: f"{words} {number}"}}, "PUT")
        assert reply.status == 201, reply.body[:500]
        answered = time.perf_counter()
        body = {"history": [{"item_id": items["item_id"][0]}], "candidates": [f"bench-{number}"]}
        found = json.loads((await client.post("/v1/recommendations", body)).body)["items"]
        assert [one["item_id"] for one in found] == [f"bench-{number}"]
        return answered - started, time.perf_counter() - started

    with server("run", run.resolve(), port):
        first, *rest = [asyncio.run(put(number)) for number in range(n_items)]
    answers, retrieved = np.array(rest).T
    print(
        f"items : {len(items):,}; PUT of a new one {np.median(answers):.2f} s (p90 {np.quantile(answers, 0.9):.2f} s), recommended after"
        f" {np.median(retrieved):.2f} s, at most {retrieved.max():.2f} s; the first after the start {first[1]:.2f} s (bar: 1)"
    )


def measure_answers(folder: Path, port: int, n_users: int = 50) -> None:
    """Print how many lists of the service differ from those of the run."""
    import mmrec

    users = [str(number) for number in range(n_users)]
    table = mmrec.open_run(folder).recommend(users, k=K)
    with server("mmrec", folder, port):
        found = [json.loads(asyncio.run(Client(port).get(path_of(number))).body)["items"] for number in range(n_users)]
    wanted = [table.filter(user_id=user)["item_id"].to_list() for user in users]
    differ = sum([one["item_id"] for one in items] != ids for items, ids in zip(found, wanted, strict=True))
    print(f"answer: {differ} of {n_users} lists differ from those of `run.recommend` (an approximate index may miss items)")


PARTS = ("latency", "swap", "overload", "kills", "index", "items", "answers")


def main() -> None:
    """Run all parts, or the server that they start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the sizes of the published figures")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement of latency")
    parser.add_argument("--swap-s", type=float, default=12.0, help="of changes of the model, six of them")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--run", type=Path, help="a run whose model places new items")
    parser.add_argument("--new-items", type=int, default=10)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        kind, folder, port = arguments.serve
        serve(kind, Path(folder), int(port))
        return
    if arguments.full:
        arguments.items, arguments.seconds, arguments.swap_s, arguments.kills, arguments.new_items = 1_000_000, 30.0, 60.0, 200, 50
    measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Run the parts that are asked for."""
    parts, port = set(arguments.parts), arguments.port
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "a"
        if parts - {"index", "items"}:
            for seed, name in enumerate("ab"):
                write_run(Path(root) / name, arguments.items, arguments.dim, seed)
            print(f"{arguments.items:,} items × {arguments.dim}, {K} of them asked for")
        rate = 200.0
        if parts & {"latency", "overload"}:
            rate = measure_latency(folder, port, arguments.seconds)["mmrec"]
        if "swap" in parts:
            measure_swap(folder, port, arguments.swap_s, min(200.0, rate / 2 if "latency" in parts else 200.0))
        if "overload" in parts:
            measure_overload(folder, port, arguments.seconds / 2, rate)
        if "kills" in parts:
            measure_kills(folder, port, arguments.kills)
        if "answers" in parts:
            measure_answers(folder, port)
    if "index" in parts:
        measure_index(arguments.items, arguments.dim)
    if "items" in parts and arguments.run is None:
        print("items : left out; --run=… names a run whose model places new items")
    elif "items" in parts:
        measure_items(arguments.run, port, arguments.new_items)


if __name__ == "__main__":
    main()
