"""Intake beside plain Polars: generated interactions from file to training tensors, and the same file read and sorted twice.

    python scripts/bench_intake.py                                  # 10 million, Parquet; some minutes on two cores
    python scripts/bench_intake.py --millions 1 --format csv

Ours reads, checks every value, hashes the file, counts and removes repeated pairs, indexes, splits by time, writes the three tables and
makes training tensors. `ingest` is `mmrec data ingest`: from the file to a written folder in bounded memory, hashes of what is written
included, without tensors. Polars reads the file and sorts it by user and time, two times. `raw` is the reading alone, of the same columns,
without any check. Each has a process of its own, in turns; seconds are of the CPU, all threads, medians of --repeats. Memory is the most
that the process took beyond what importing took.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from mmrec.data.folder.read import open_folder, read_folder
from mmrec.data.ingest.ingest import Ingest
from mmrec.data.interactions.filter import Filter, filter_interactions
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split import global_time
from mmrec.data.interactions.split_rules import GlobalTime
from mmrec.files.storage import write_parquet
from mmrec.types import ITEM_ID, TIMESTAMP, USER_ID

SUFFIXES = {"parquet": ".parquet", "csv": ".csv"}
KINDS = ("ours", "ingest", "polars", "raw")
STAGES = ("reading", "filtering", "indexing", "splitting", "writing", "tensors")


def generate(millions: int, path: Path) -> None:
    """Users and items of different popularity, one for ten interactions each; times over three years; ratings."""
    n, rng = millions * 1_000_000, np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            USER_ID: (n // 10 * rng.beta(1, 2, n)).astype(np.int64),
            ITEM_ID: (n // 10 * rng.beta(1, 4, n)).astype(np.int64),
            TIMESTAMP: 1_500_000_000 + rng.integers(0, 10**8, n),
            "rating": rng.integers(1, 6, n).astype(np.float64),
        }
    ).with_columns(pl.format("u{}", pl.col(USER_ID)).alias(USER_ID), pl.format("i{}", pl.col(ITEM_ID)).alias(ITEM_ID))
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)


def scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False) if path.suffix == ".parquet" else pl.scan_csv(path, glob=False)


def used() -> tuple[float, float]:
    """CPU seconds, and the most memory in MiB, so far."""
    return sum(os.times()[:2]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(kind: str, path: Path) -> dict[str, float]:
    """One run in this process: its seconds and MiB and, of ours, the seconds of each stage; reading is with all checks."""
    seconds, memory = used()
    found = {}
    if kind == "raw":
        scan(path).collect(engine="streaming")
    elif kind == "polars":
        for _ in range(2):
            scan(path).collect().sort(USER_ID, TIMESTAMP)
    elif kind == "ingest":
        ingest(path)
    else:
        ends = [used()[0] for _ in take_in(path)]
        found = dict(zip(STAGES, np.diff([seconds, *ends]), strict=True))
    return found | {"seconds": used()[0] - seconds, "memory": used()[1] - memory}


def take_in(path: Path) -> Iterator[None]:
    """From the file to tensors; comes back after each of `STAGES`."""
    dataset = read_folder(str(path.parent))
    yield
    dataset = filter_interactions(dataset, min_rating=None, repeated="first", min_per_user=1, min_per_item=1)
    yield
    index = Index.build(dataset, seed=0)
    yield
    split = global_time(dataset.interactions, valid_ratio=0.1, test_ratio=0.1)
    yield
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as folder:
        for part in ("train", "valid", "test"):
            write_parquet(Path(folder) / f"{part}.parquet", getattr(split, part))
    yield
    index.interactions(split.train)
    yield


def ingest(path: Path) -> None:
    """From the file to a folder."""
    work = Ingest(open_folder(str(path.parent), {}), Filter(None, "first", 1, 1), GlobalTime(0.1, 0.1), "stop", None, None)
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as folder:
        work.into(Path(folder) / "out")


def child(*arguments: object) -> str:
    """What this script prints with these arguments, in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, default=10, help="interactions")
    parser.add_argument("--format", choices=SUFFIXES, default="parquet")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--generate", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(arguments.millions, arguments.generate)
        return
    if arguments.measure:
        print(json.dumps(measure(arguments.measure[0], Path(arguments.measure[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "data" / f"interactions{SUFFIXES[arguments.format]}"
        path.parent.mkdir()
        # Not in this process: on Linux a child's most memory begins at its parent's, and would hide as much of its own.
        child("--millions", arguments.millions, "--generate", path)
        runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.repeats):
            for kind in KINDS:
                runs[kind].append(json.loads(child("--measure", kind, path)))
        size = path.stat().st_size / 2**20
    median = {kind: {name: statistics.median(run[name] for run in found) for name in found[0]} for kind, found in runs.items()}
    title = f"{arguments.millions} million interactions, {arguments.format}, {size:,.0f} MiB"
    table = Table("", "CPU seconds", "beside Polars", "MiB", "beside the file", title=title)
    for kind in KINDS:
        seconds, memory = median[kind]["seconds"], median[kind]["memory"]
        table.add_row(kind, f"{seconds:.1f}", f"{seconds / median['polars']['seconds']:.2f}", f"{memory:,.0f}", f"{memory / size:.1f}")
    Console().print(table)
    print("ours: " + ", ".join(f"{stage} {median['ours'][stage]:.1f} s" for stage in STAGES))
    checks = median["ours"]["reading"] - median["raw"]["seconds"]
    print(f"checks and hashing: {checks:.1f} s, {checks / median['ours']['seconds']:.0%} of ours")


if __name__ == "__main__":
    main()
